//! What the operator's page asks of the admin API: the overview, sessions newest first, one session, payments in doubt,
//! chains; and pausing a feed.

use crate::support::{ADMIN_TOKEN, Reply, World, offer_of, request, v2};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_ledger::{Command, Ledger as _};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_x402::{SessionId, StreamId};

async fn ask(world: &World, method: Method, path: &str, body: Value) -> Reply {
    let mut request = request(method, path);
    request.headers_mut().insert("authorization", format!("Bearer {ADMIN_TOKEN}").parse().unwrap());
    if body != Value::Null {
        *request.body_mut() = body.to_string().into();
    }
    world.admin(request).await
}

async fn shown(world: &World, path: &str) -> Value {
    let reply = ask(world, Method::GET, path, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.json()
}

/// Buys a session of ten units of a feed, and lets a second pass.
async fn buy(world: &World, feed: &str, wallet: u8) -> SessionId {
    let required = world.bill(feed).await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(wallet).sign(&offer, world.nonce()));
    let paid = world.pay(feed, &payment, &[]).await;
    world.clock.advance(Duration::from_secs(1));
    paid.jti().parse().unwrap()
}

/// Uses so many units on a stream, and ends it or not.
async fn stream(world: &World, session: &SessionId, used: u64, ends: bool) {
    let stream: StreamId = "0123456789abcdef".parse().unwrap();
    let hold = Command::Hold {
        session: session.clone(),
        stream: stream.clone(),
        fence: None,
        to: used,
        lease: Duration::from_secs(10),
        streams_max: 1,
    };
    let post = Command::Post {
        session: session.clone(),
        stream: stream.clone(),
        fence: 1,
        to: used,
        live_for: Duration::from_secs(60),
    };
    let end = Command::End { session: session.clone(), stream, fence: 1, used };
    for command in [Some(hold), Some(post), ends.then_some(end)].into_iter().flatten() {
        let _outcome = world.ledger.apply(command).await.unwrap();
    }
}

/// A walk is shared for a second.
async fn later() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn jtis(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["jti"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_newest_first_narrowed_and_paged() {
    let world = World::new();
    let mut bought = Vec::new();
    for (feed, wallet) in [("ticks", 7), ("other", 7), ("ticks", 8), ("ticks", 7), ("other", 8)] {
        bought.push(buy(&world, feed, wallet).await);
    }
    stream(&world, &bought[3], 2, false).await;
    let _revoked = world.ledger.apply(Command::Revoke { session: bought[0].clone() }).await.unwrap();
    bought.reverse();
    let newest: Vec<String> = bought.iter().map(ToString::to_string).collect();

    let all = shown(&world, "/admin/sessions?order=newest").await;
    assert_eq!(jtis(&all), newest);
    assert_eq!((&all["matching"], &all["before"], &all["older"]), (&json!(5), &json!(0), &json!(0)));
    let mut seen = Vec::new();
    let mut path = "/admin/sessions?order=newest&limit=2".to_owned();
    loop {
        let page = shown(&world, &path).await;
        assert_eq!(page["before"], seen.len());
        seen.extend(jtis(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/admin/sessions?order=newest&limit=2&after={next}");
    }
    assert_eq!(seen, newest, "page by page");
    for (narrowing, found) in [
        ("feed=other", vec![&newest[0], &newest[3]]),
        ("state=live", vec![&newest[1]]),
        ("state=ended", vec![&newest[4]]),
        ("state=idle", vec![&newest[0], &newest[2], &newest[3]]),
        ("state=frozen", vec![]),
        ("feed=ticks&state=idle", vec![&newest[2]]),
        ("feed=nothing", vec![]),
    ] {
        let page = shown(&world, &format!("/admin/sessions?order=newest&{narrowing}")).await;
        assert_eq!(jtis(&page).iter().collect::<Vec<_>>(), found, "{narrowing}");
    }
    let payer = world.wallet(8).key.address().to_string();
    let of_payer = shown(&world, &format!("/admin/sessions?order=newest&payer={payer}")).await;
    assert_eq!(jtis(&of_payer), [newest[0].clone(), newest[2].clone()]);
    for bad in [
        "order=oldest",
        "order=newest&state=x",
        "order=newest&after=x",
        "order=newest&limit=501",
        "order=newest&feed=%20",
    ] {
        let reply = ask(&world, Method::GET, &format!("/admin/sessions?{bad}"), Value::Null).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_session_is_shown_with_its_streams_and_its_journal() {
    let world = World::new();
    let session = buy(&world, "ticks", 7).await;
    stream(&world, &session, 1, false).await;
    let one = shown(&world, &format!("/admin/sessions/{session}")).await;
    assert_eq!((&one["state"], &one["live_streams"]), (&json!("live"), &json!(1)), "{one}");
    assert_eq!(one["streams"][0]["stream"], "0123456789abcdef");
    let kinds: Vec<&Value> = one["journal"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["capture", "credit"], "newest first");
    let unknown = "/admin/sessions/7d444840-9dc0-4acd-b245-5ffdce74fad2";
    assert_eq!(ask(&world, Method::GET, unknown, Value::Null).await.status, StatusCode::NOT_FOUND);
    let not_one = ask(&world, Method::DELETE, unknown, Value::Null).await;
    assert_eq!((not_one.status, not_one.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
}

#[tokio::test(start_paused = true)]
async fn the_overview_adds_up_and_is_shared_for_a_moment() {
    let world = World::new();
    let first = buy(&world, "ticks", 7).await;
    stream(&world, &first, 1, false).await;
    let books = shown(&world, "/admin/overview").await;
    assert_eq!(books["live"], json!({ "sessions": 1, "streams": 1 }), "{books}");
    assert_eq!((&books["used"]["stream"], &books["balanced"]), (&json!(1), &json!(true)));
    assert_eq!(books["feeds"]["ticks"]["live"]["streams"], 1);
    assert_eq!(books["totals"]["usdc"]["accrued"], "10000");
    let [provider] = &books["providers"].as_array().unwrap()[..] else { panic!("{books}") };
    assert_eq!(
        (&provider["network"], &provider["usdc"]["deposited"]),
        (&json!("eip155:84532"), &json!("100000"))
    );
    let (hours, days) =
        (books["series"]["hours"].as_array().unwrap(), books["series"]["days"].as_array().unwrap());
    assert_eq!((hours.len(), days.len()), (48, 30));
    for periods in [hours, days] {
        let last = periods.last().unwrap();
        assert_eq!(
            (&last["sessions"], &last["deposited"], &last["earned"]),
            (&json!(1), &json!("100000"), &json!("10000"))
        );
    }

    world.clock.advance(Duration::from_secs(2 * 3_600));
    buy(&world, "ticks", 7).await;
    assert_eq!(shown(&world, "/admin/overview").await["totals"]["sessions"], 1, "the same walk");
    later().await;
    let books = shown(&world, "/admin/overview").await;
    assert_eq!(books["totals"]["sessions"], 2);
    let hours = books["series"]["hours"].as_array().unwrap();
    let sold: Vec<usize> = (0..48).filter(|place| hours[*place]["sessions"] == 1).collect();
    assert_eq!(sold, [45, 47], "each in its hour");
    assert_eq!(hours[47]["start"].as_u64().unwrap() - hours[0]["start"].as_u64().unwrap(), 47 * 3_600);
}

#[tokio::test(start_paused = true)]
async fn payments_in_doubt_are_named_without_what_proves_them() {
    let world = World::new();
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(600)));
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let payment = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    assert_eq!(world.pay("ticks", &payment, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let reply = ask(&world, Method::GET, "/admin/payments/in-doubt", Value::Null).await;
    let doubt = reply.json();
    let [one] = &doubt["payments"].as_array().unwrap()[..] else { panic!("{doubt}") };
    assert_eq!(
        (&one["amount"], &one["feed"], &one["purchase"]),
        (&json!("100000"), &json!("ticks"), &json!("session"))
    );
    assert!(one["transactions"][0].as_str().unwrap().starts_with("0x"), "{one}");
    assert!(!reply.text.contains("signature") && !reply.text.contains("quote"), "{}", reply.text);
    let after = one["payment"].as_str().unwrap();
    let rest = shown(&world, &format!("/admin/payments/in-doubt?after={after}")).await;
    assert_eq!(rest, json!({ "payments": [], "next": null }));
    assert_eq!(shown(&world, "/admin/overview").await["payments_in_doubt"], 1);
}

#[tokio::test]
async fn chains_tell_what_they_hold_and_owe() {
    let world = World::new();
    world.bought(100_000).await;
    let chains = shown(&world, "/admin/chains").await;
    let [chain] = &chains["chains"].as_array().unwrap()[..] else { panic!("{chains}") };
    assert_eq!(
        (&chain["custody"], &chain["owed"], &chain["short"]),
        (&json!("100000"), &json!("100000"), &json!(false))
    );
    assert_eq!(
        (&chain["dev"], &chain["purses"]),
        (&json!(true), &json!([])),
        "transactions cost nothing there"
    );
    assert_eq!(chain["accounts"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_feed_sells_nothing_and_serves_what_it_sold() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 100_000);
    let paid = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let jti = world.pay("ticks", &paid, &[]).await.jti();
    let late = v2(&required, &offer, &world.wallet(7).sign(&offer, 2));

    let paused = ask(&world, Method::PATCH, "/admin/feeds/ticks", json!({ "paused": true })).await;
    assert_eq!((paused.status, &paused.json()["paused"]), (StatusCode::OK, &json!(true)));
    let unpaid = world.get("/feeds/ticks/session").await;
    assert_eq!((unpaid.status, unpaid.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    assert_eq!(unpaid.json()["type"], "urn:tollwire:problem:feed-paused");
    assert!(
        unpaid.json()["extensions"]["sign-in-with-x"].is_object(),
        "who bought before can sign in: {unpaid:?}"
    );
    assert_eq!(world.pay("ticks", &late, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.chain.transfers().len(), 1, "nothing was charged");
    let again = world.pay("ticks", &paid, &[]).await;
    assert_eq!((again.status, again.jti()), (StatusCode::OK, jti), "what was paid before is answered");
    assert_eq!(world.get("/feeds/other/session").await.status, StatusCode::PAYMENT_REQUIRED, "others go on");
    assert_eq!(world.get("/feeds").await.json()["feeds"][1]["paused"], true);

    ask(&world, Method::PATCH, "/admin/feeds/ticks", json!({ "paused": false })).await;
    assert_eq!(world.pay("ticks", &late, &[]).await.status, StatusCode::OK, "the same payment, later");
    let wrong = ask(&world, Method::PATCH, "/admin/feeds/ticks", json!({ "paused": "yes" })).await;
    assert_eq!(wrong.json()["detail"], "paused: write true or false");
}
