//! Our own client, and what protects its payments.

use crate::world::{FUNDS, RPC_CANARY, World, client_of, deposit};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_client::{Error, Event, StreamClient};
use tollwire_testkit::link::Faults;
use tollwire_tests::http::get;
use tollwire_tests::settings::Feed;
use tollwire_tests::tollwire::run;
use tollwire_tests::world::admin;

/// A cent a stream; the client takes ten.
const BOUGHT: u64 = 100_000;

#[tokio::test]
async fn our_client_buys_without_a_node_of_its_own_and_streams() {
    let world = World::start(|_| {}).await;
    let (payer, wallet) = world.client().await;
    let mut stream = StreamClient::open(payer, &world.session_url()).await.unwrap();
    while let Some(event) = stream.next().await.unwrap() {
        if matches!(event, Event::Message(_)) {
            break;
        }
    }
    stream.close().await.unwrap();
    assert_eq!((world.received().await, world.tokens(&wallet).await), (BOUGHT, FUNDS - BOUGHT));
    world.books().await;
}

#[tokio::test]
async fn an_offer_without_blockhash_is_paid_with_a_node_of_ones_own() {
    let world = World::start(|_| {}).await;
    let wallet = world.payer().await;
    // What the facilitator knows of the cluster is too old by then.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    world.link.set(Faults { stuck: true, ..Faults::default() });
    let without = client_of(&wallet, None);
    let error = without.buy(&world.session_url()).await.unwrap_err();
    assert!(matches!(error, Error::NoOffer(why) if why.contains("blockhash")), "{error}");
    assert_eq!(without.budget().spent().atomic(), 0, "nothing was signed");
    let with = client_of(&wallet, Some(world.node.url()));
    let url = world.session_url();
    let healing = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        world.link.set(Faults::default());
        world.link.cut();
    };
    let (session, ()) = tokio::join!(with.buy(&url), healing);
    session.unwrap();
    assert_eq!(world.tokens(&wallet).await, FUNDS - BOUGHT);
    let log = world.facilitator.output();
    assert!(!log.contains(RPC_CANARY) && !log.contains(&wallet.key), "{log}");
}

#[tokio::test]
async fn the_command_pays_resumes_and_signs_in() {
    let world = World::start(|_| {}).await;
    let wallet = world.payer().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wallet.json"), &wallet.key).unwrap();
    let url = world.facilitator.url("/feeds/ticks");
    let mut arguments =
        vec!["session", &url, "--max", "0.10", "--key", "file:wallet.json", "--network", "solana-devnet"];
    let (code, out, told) = run(&arguments, folder.path(), None).await;
    assert_eq!(code, 0, "{told}");
    let bought: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&bought["session"]["chain"], &bought["session"]["units_remaining"]),
        (&json!("solana-devnet"), &json!(10)),
        "{out}"
    );
    // With nothing but its wallet it gets the same session again.
    arguments.push("--sign-in");
    let (code, out, told) = run(&arguments, folder.path(), None).await;
    assert_eq!(code, 0, "{told}");
    let resumed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(resumed["session"]["jti"], bought["session"]["jti"], "{out}");
    assert_eq!(world.received().await, BOUGHT, "paid once");
}

#[tokio::test]
async fn a_top_up_adds_and_a_closed_session_is_paid_back() {
    let world = World::start(|_| {}).await;
    let (payer, wallet) = world.client().await;
    let mut session = payer.buy(&world.session_url()).await.unwrap();
    let done = payer.top_up(&mut session).await.unwrap();
    assert_eq!((done.units, world.received().await), (20, 2 * BOUGHT));
    let closed = format!("/admin/sessions/{}/close", session.jti);
    admin(&world.facilitator, http::Method::POST, &closed, "").await;
    let paid_back = async {
        while world.tokens(&wallet).await == FUNDS - 2 * BOUGHT {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), paid_back).await.expect("the refund");
    // Two signatures and the bid, at $200 a SOL.
    assert_eq!(world.tokens(&wallet).await, FUNDS - 2_012);
    assert_eq!(world.received().await, 2_012);
}

#[tokio::test]
async fn the_bill_says_what_a_payer_needs() {
    let world = World::start(|_| {}).await;
    let answer = get(&world.session_url(), &[]).await;
    let bill = answer.decoded("payment-required");
    let offers = bill["accepts"].as_array().unwrap();
    let legacy = answer.json();
    for extra in offers.iter().chain(legacy["accepts"].as_array().unwrap()).map(|offer| &offer["extra"]) {
        assert_eq!(extra["feePayer"], crate::world::fee_payer().address, "{extra}");
        assert!(extra["memo"].as_str().unwrap().starts_with("tollwire:"), "{extra}");
        assert!(extra["recentBlockhash"].as_str().unwrap().starts_with("SURFNET"), "{extra}");
        assert!(extra["lastValidBlockHeight"].as_str().unwrap().parse::<u64>().unwrap() > 0, "{extra}");
    }
    let quote = bill["extensions"]["tollwire-session"]["info"]["quote"].as_str().unwrap();
    assert!(!answer.text().contains(quote) && !offers[0]["extra"].to_string().contains(quote));
    // Another bill, another quote, another memo: of another payment.
    let again = get(&world.session_url(), &[]).await.decoded("payment-required");
    assert_ne!(again["accepts"][0]["extra"]["memo"], offers[0]["extra"]["memo"]);
}

/// What was signed for one feed buys nothing of another at the same price, in whatever dialect it is presented.
#[tokio::test]
async fn a_payment_is_for_what_its_memo_was_made_for() {
    let world = World::start(|settings| {
        let other = Feed { id: "other", ..settings.feeds[0].clone() };
        settings.feeds.push(other);
    })
    .await;
    let (payer, wallet) = world.client().await;
    let session = payer.buy(&world.session_url()).await.unwrap();
    let payment = crate::facilitator::signed(&world, &wallet, "ticks").await;
    for (name, value) in [payment.v2_without_quote(), payment.v1()] {
        let refused = get(&world.facilitator.url("/feeds/other/session"), &[(name, &value)]).await;
        assert_eq!(refused.status, 402, "{refused:?}");
        let response = if name == "x-payment" { "x-payment-response" } else { "payment-response" };
        let reason = refused.decoded(response)["errorReason"].clone();
        assert_eq!(reason, "invalid_exact_svm_payload_memo_mismatch", "{name}");
    }
    assert_eq!(world.received().await, BOUGHT, "nothing but the first purchase moved");
    // Where it belongs it is taken, as v1 too, which carries no quote.
    let (name, value) = payment.v1();
    let paid = get(&world.session_url(), &[(name, &value)]).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_ne!(paid.json()["session"]["jti"], session.jti.to_string());
    // It is public now: presenting it proves nothing, having the quote does.
    let again = get(&world.session_url(), &[(name, &value)]).await;
    assert_eq!(again.status, 401, "{again:?}");
    let (name, value) = payment.v2();
    let proven = get(&world.session_url(), &[(name, &value)]).await;
    assert_eq!(proven.status, 200, "{proven:?}");
    assert_eq!(proven.json()["session"]["jti"], paid.json()["session"]["jti"]);
    assert_eq!(world.received().await, 2 * BOUGHT);
    assert_eq!(world.tokens(&deposit()).await, world.received().await);
}

#[tokio::test]
async fn a_facilitator_that_dies_while_its_node_is_silent_finishes_the_payment() {
    let mut world = World::start(|settings| settings.limits = "settlement_wait = \"2s\"".into()).await;
    let (payer, wallet) = world.client().await;
    let payment = crate::facilitator::signed(&world, &wallet, "ticks").await;
    let (name, value) = payment.v2();
    let url = world.session_url();
    let headers = [(name, value.as_str())];
    let asking = async { get(&url, &headers).await };
    let silencing = async {
        // Somewhere between the record and the answer.
        tokio::time::sleep(Duration::from_millis(30)).await;
        world.node.freeze().await.unwrap();
    };
    let (first, ()) = tokio::join!(asking, silencing);
    assert!([200, 503].contains(&first.status.as_u16()), "{first:?}");
    world.facilitator.kill().await;
    world.node.thaw().await.unwrap();
    world.facilitator.restart().await;
    let mut last = get(&url, &headers).await;
    for _ in 0..30 {
        if last.status == 200 {
            break;
        }
        assert_eq!(last.status, 503, "{last:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        last = get(&url, &headers).await;
    }
    assert_eq!(last.status, 200, "{last:?}");
    assert_eq!((world.received().await, world.tokens(&wallet).await), (BOUGHT, FUNDS - BOUGHT));
    drop(payer);
}
