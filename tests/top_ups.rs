//! More units for a session in use: in band in the middle of a flood, over HTTP on several nodes, by official clients;
//! and the receipts it ends with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tollwire_session::{ControlClaims, ControlMessage, KeySet};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::{Agent, fresh_nonce, now, offer};
use tollwire_tests::facilitator::{Facilitator, run};
use tollwire_tests::http::{Answer, get, try_send};
use tollwire_tests::script::Script;
use tollwire_tests::settings::{Feed, Settings, Store};
use tollwire_tests::ws::open;
use tollwire_x402::header;

/// A hundredth of a cent per message; $0.10 buys 1,000.
fn by_message(upstream: &SampleFeed) -> Feed {
    Feed {
        price: "0.0001",
        deposit_units: "[1000, 100]",
        more: "unit = \"message\"\nlow_water = 700",
        ..Feed::ticks(upstream.url("/stream"))
    }
}

fn jti(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["session"]["jti"].clone()
}

async fn top_up(facilitator: &Facilitator, token: &str, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers: Vec<_> = [("authorization", bearer.as_str())].iter().chain(more).copied().collect();
    try_send(Method::POST, &facilitator.url("/session/top-up"), &headers, "").await.unwrap()
}

/// A signed message of the facilitator's, between the feed's own.
#[derive(serde::Deserialize)]
struct Told<'a> {
    r#type: &'a str,
    id: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
    jws: &'a str,
}

/// Three thousand messages at up to a thousand a second through one connection, for four payments, of which three are
/// made while they come: two in band, one over HTTP. What the feed said arrives whole and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_ups_in_the_middle_of_a_flood_lose_no_byte_and_need_no_reconnect() {
    let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(1))).await.unwrap();
    let facilitator = Facilitator::start(Settings::dev(vec![by_message(&upstream)])).await;
    let agent = Agent::new();
    let bought = agent.buy(&facilitator.url("/feeds/ticks/session"), 100_000).await;
    let token = bought.json()["token"].as_str().unwrap().to_owned();
    let session = jti(&bought).as_str().unwrap().parse().unwrap();
    let keys = KeySet::from_jwks(&get(&facilitator.url("/.well-known/jwks.json"), &[]).await.text()).unwrap();
    let url = facilitator.ws_url(&format!("/feeds/ticks/ws?token={token}&control=v1"));
    let mut socket = open(&url, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));

    let (mut got, mut expected) = (Sha256::new(), Sha256::new());
    let (mut ticks, mut in_band, mut settled) = (0, 0, 0);
    while ticks < 3_000 {
        let text = match socket.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("after {ticks} ticks: {other:?}"),
        };
        if !text.starts_with(r#"{"type":"x402/"#) {
            ticks += 1;
            got.update(&text);
            expected.update(format!(r#"{{"tick":{ticks}}}"#));
            continue;
        }
        let told: Told<'_> = serde_json::from_str(&text).unwrap();
        let message = ControlMessage { kind: told.r#type, id: Some(told.id), data: told.data.get() };
        ControlClaims::verify(told.jws, &keys, &facilitator.url(""), &session, &message, now()).unwrap();
        let data: Value = serde_json::from_str(told.data.get()).unwrap();
        match told.r#type {
            "x402/payment-required" if in_band < 2 => {
                in_band += 1;
                let offer = offer(&data, 100_000);
                let payment = agent.pay_v2(&data, &offer, &Agent::terms(&offer)).message;
                let said = format!(r#"{{"type":"x402/payment","id":{},"data":{payment}}}"#, json!(told.id));
                socket.send(Message::Text(said.into())).await;
            }
            "x402/payment-required" => {
                let required = top_up(&facilitator, &token, &[]).await.decoded(header::PAYMENT_REQUIRED);
                let offer = offer(&required, 100_000);
                let payment = agent.pay_v2(&required, &offer, &Agent::terms(&offer));
                let paid = top_up(&facilitator, &token, &[(payment.header, &payment.value)]).await;
                assert_eq!(paid.status, 200, "{paid:?}");
                settled += 1;
            }
            "x402/payment-response" => {
                assert_eq!(data["success"], true, "{data}");
                settled += 1;
            }
            other => panic!("{other}: {data}"),
        }
    }
    assert_eq!(got.finalize(), expected.finalize(), "the stream's bytes are unbroken");
    assert_eq!((in_band, settled), (2, 3));
    assert_eq!(upstream.requests().len(), 1, "one connection all the time");
    let online = get(&facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((&online.json()["unit"], &online.json()["live_streams"]), (&json!("message"), &json!(1)));
    socket.close().await;
}

/// Fifty at once over two nodes and one Redis add once.
#[tokio::test]
async fn one_top_up_fifty_times_over_two_nodes_adds_once() {
    let redis = RedisServer::start().await.unwrap();
    let feeds = || vec![Feed::ticks("ws://127.0.0.1:9/")];
    let store = || Store::Redis(redis.url());
    let first = Facilitator::start(Settings { store: store(), ..Settings::dev(feeds()) }).await;
    let second =
        Facilitator::start_beside(&first, Settings { store: store(), ..Settings::dev(feeds()) }).await;
    let agent = Agent::new();
    let bought = agent.buy(&first.url("/feeds/ticks/session"), 100_000).await;
    let token = bought.json()["token"].as_str().unwrap().to_owned();
    let required = top_up(&first, &token, &[]).await.decoded(header::PAYMENT_REQUIRED);
    let offer = offer(&required, 10_000);
    let payment = agent.pay_v2(&required, &offer, &Agent::terms(&offer));
    let headers = [(payment.header, payment.value.as_str())];
    let nodes = [&first, &second].into_iter().cycle();
    let answers = join_all(nodes.take(50).map(|node| top_up(node, &token, &headers))).await;
    for answer in answers {
        assert_eq!(jti(&answer), jti(&bought));
        assert_eq!(answer.json()["session"]["units_remaining"], 11);
    }
    let elsewhere = get(&second.url("/feeds/ticks/session"), &headers).await;
    assert_eq!(elsewhere.status, 409, "{elsewhere:?}");
    assert!(!elsewhere.text().contains(jti(&bought).as_str().unwrap()));
}

/// An official client pays the top-up's 402 as any other.
#[tokio::test]
async fn x402_fetch_tops_up() {
    let facilitator = Facilitator::start(Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/")])).await;
    let told = Script::node("clients/top_up_v2.mjs")
        .env("SESSION_URL", facilitator.url("/feeds/ticks/session"))
        .env("TOP_UP_URL", facilitator.url("/session/top-up"))
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .result()
        .await;
    assert_eq!((&told["status"], &told["receipt"]["success"]), (&json!(200), &json!(true)), "{told}");
    assert_eq!(told["added"]["jti"], told["bought"]["jti"]);
    assert_eq!(
        (&told["bought"]["units_remaining"], &told["added"]["units_remaining"]),
        (&json!(100), &json!(200))
    );
}

/// A receipt is verified by the command line, with keys fetched from its issuer, from a file, or not at all.
#[tokio::test]
async fn a_receipt_is_verified_on_the_command_line() {
    let facilitator = Facilitator::start(Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9/")])).await;
    let bought = Agent::new().buy(&facilitator.url("/feeds/ticks/session"), 100_000).await;
    let bearer = format!("Bearer {}", bought.json()["token"].as_str().unwrap());
    let answer = get(&facilitator.url("/session/receipt"), &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let receipt = answer.json()["receipt"].as_str().unwrap().to_owned();
    write("answer.json", &answer.text());
    write("receipt.jws", &receipt);
    write("keys.json", &get(&facilitator.url("/.well-known/jwks.json"), &[]).await.text());
    let (head, signature) = receipt.rsplit_once('.').unwrap();
    let swapped = if signature.starts_with('A') { "B" } else { "A" };
    write("bent.jws", &format!("{head}.{swapped}{}", &signature[1..]));
    write("other-keys.json", r#"{"keys":[]}"#);
    let verify = async |arguments: &[&str]| {
        let arguments: Vec<_> = ["receipt", "verify"].iter().chain(arguments).copied().collect();
        let (status, out, problem) = run(&arguments, folder.path()).await;
        (status.code(), out + &problem)
    };
    for arguments in [&["answer.json"][..], &["receipt.jws", "--jwks", "keys.json"]] {
        let (code, text) = verify(arguments).await;
        assert_eq!(code, Some(0), "{text}");
        for part in [jti(&bought).as_str().unwrap(), "10 stream", "$0.10", "ticks"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    for arguments in
        [&["bent.jws"][..], &["receipt.jws", "--jwks", "other-keys.json"], &["keys.json"], &["missing.jws"]]
    {
        let (code, text) = verify(arguments).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.starts_with("error: ") && !text.contains(&receipt), "{text}");
    }
}
