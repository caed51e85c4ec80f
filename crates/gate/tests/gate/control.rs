//! `?control=v1`: topping up between the feed's own messages.

use crate::socket::Served;
use crate::support::{PUBLIC_URL, Reply, World, offer_of, v2};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tollwire_ledger::Clock as _;
use tollwire_session::{ControlClaims, ControlMessage, KeySet, ReceiptClaims};
use tollwire_settlement::dev::BroadcastFault;
use tollwire_testkit::feed::Mode;
use tollwire_x402::v2::{PaymentRequired, PaymentRequirements};
use tollwire_x402::{SessionId, Unit, header, reason};

const TICKS: Mode = Mode::Ticks(Duration::from_millis(10));

/// An agent on a stream, that believes only what is signed.
struct Agent {
    socket: WebSocketStream<TcpStream>,
    session: SessionId,
    keys: KeySet,
    now: u64,
    /// The feed's own messages so far.
    payloads: Vec<String>,
}

/// One message of ours, verified.
#[derive(Debug)]
struct Told {
    kind: String,
    id: Option<String>,
    data: Value,
}

/// What came next.
#[derive(Debug)]
enum Came {
    Told(Told),
    Closed(u16),
}

#[derive(serde::Deserialize)]
struct Wire<'a> {
    r#type: String,
    id: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
    jws: String,
}

impl Agent {
    async fn open(served: &Served, session: &Reply) -> Self {
        let path = format!("/feeds/ticks/ws?token={}&control=v1", session.token());
        let (socket, headers) = served.open(&path, &[]).await.opened();
        assert!(!headers.contains_key("sec-websocket-extensions"));
        Self {
            socket,
            session: session.jti().parse().unwrap(),
            keys: served.world.keys().await,
            now: served.world.clock.now().secs(),
            payloads: Vec::new(),
        }
    }

    /// The next control message or close.
    async fn next(&mut self) -> Came {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next()).await.unwrap();
            let text = match next.unwrap().unwrap() {
                Message::Text(text) => text.to_string(),
                Message::Close(frame) => return Came::Closed(frame.unwrap().code.into()),
                _ => continue,
            };
            if !text.starts_with(r#"{"type":"x402/"#) {
                self.payloads.push(text);
                continue;
            }
            let wire: Wire<'_> = serde_json::from_str(&text).unwrap();
            let message =
                ControlMessage { kind: &wire.r#type, id: wire.id.as_deref(), data: wire.data.get() };
            ControlClaims::verify(&wire.jws, &self.keys, PUBLIC_URL, &self.session, &message, self.now)
                .unwrap();
            let data = serde_json::from_str(wire.data.get()).unwrap();
            return Came::Told(Told { kind: wire.r#type, id: wire.id, data });
        }
    }

    /// The next control message, which must be of this kind.
    async fn told(&mut self, kind: &str) -> Told {
        match self.next().await {
            Came::Told(told) if told.kind == kind => told,
            other => panic!("{kind} expected, not {other:?}"),
        }
    }

    /// The next control message, which must be of this kind; `None` if the stream was closed with 4001 before.
    async fn told_or_closed(&mut self, kind: &str) -> Option<Told> {
        match self.next().await {
            Came::Told(told) if told.kind == kind => Some(told),
            Came::Closed(4001) => None,
            other => panic!("{kind} expected, not {other:?}"),
        }
    }

    /// The next bill.
    async fn bill(&mut self) -> (String, PaymentRequired) {
        let told = self.told("x402/payment-required").await;
        (told.id.unwrap(), serde_json::from_value(told.data).unwrap())
    }

    async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::Text(text.into().into())).await.unwrap();
    }

    async fn pay(&mut self, id: &str, payment: &Value) {
        self.say(control(id, payment)).await;
    }

    /// The feed's payloads are its ticks, in order, without a gap.
    fn assert_unbroken(&self) {
        for (tick, payload) in (1..).zip(&self.payloads) {
            assert_eq!(*payload, format!(r#"{{"tick":{tick}}}"#));
        }
    }
}

/// An agent's message; `type` stands first, as it must.
fn control(id: &str, payment: &Value) -> String {
    format!(r#"{{"type":"x402/payment","id":{},"data":{payment}}}"#, json!(id))
}

/// A feed sold by the message, told at five.
async fn served(mode: Mode) -> Served {
    Served::with(mode, |feed| {
        feed.route.unit = Unit::Message;
        feed.route.low_water = 5;
    })
    .await
}

/// A payment of one cent on the terms that HTTP tells.
async fn http_payment(world: &World, session: &Reply) -> Value {
    let bearer = format!("Bearer {}", session.token());
    let reply = world.send(http::Method::POST, "/session/top-up", &[("authorization", &bearer)]).await;
    let required = reply.required();
    payment(world, &required, &offer_of(&required, 10_000), 2)
}

fn payment(world: &World, required: &PaymentRequired, offer: &PaymentRequirements, nonce: u8) -> Value {
    let header = v2(required, offer, &world.wallet(7).sign(offer, nonce));
    header::decode("x", header.as_bytes()).unwrap()
}

#[tokio::test]
async fn an_agent_is_told_pays_and_goes_on_and_at_the_end_gets_a_receipt() {
    let served = served(TICKS).await;
    let world = &served.world;
    let session = world.bought(100_000).await;
    let mut agent = Agent::open(&served, &session).await;
    let (id, required) = agent.bill().await;
    assert_eq!(required.resource.url, format!("{PUBLIC_URL}/session/top-up"));
    let offer = offer_of(&required, 100_000);
    let payment = payment(world, &required, &offer, 2);
    agent.pay(&id, &payment).await;
    let told = agent.told("x402/payment-response").await;
    assert_eq!((told.id.as_deref(), &told.data["success"]), (Some(id.as_str()), &json!(true)), "{told:?}");
    let info = &told.data["extensions"]["tollwire-session"]["info"];
    assert_eq!(info["deposited"], "$0.20");
    assert!(info["unitsRemaining"].as_u64().unwrap() >= 10);
    let claims = world.gate.check_token(info["token"].as_str().unwrap()).unwrap();
    assert_eq!(claims.jti.as_str(), session.jti());
    let receipt = info["receipt"].as_str().unwrap();
    assert_eq!(ReceiptClaims::verify(receipt, &agent.keys, PUBLIC_URL).unwrap().bought, 20);
    // Told once more when it is low again, then a receipt, then the close.
    agent.bill().await;
    let told = agent.told("x402/receipt").await;
    let receipt = told.data["receipt"].as_str().unwrap();
    let receipt = ReceiptClaims::verify(receipt, &agent.keys, PUBLIC_URL).unwrap();
    assert_eq!((receipt.bought, receipt.used, receipt.used_amount.atomic()), (20, 20, 200_000));
    assert!(matches!(agent.next().await, Came::Closed(4008)));
    assert_eq!(agent.payloads.len(), 20, "every unit was served, and none beyond");
    agent.assert_unbroken();
    assert_eq!(world.chain.transfers().len(), 2);
    assert!(world.gate.report().await.unwrap().balanced);
}

/// The upstream sees nothing of it: an echo sends back what the agent said to the feed, and that alone.
#[tokio::test]
async fn the_feed_sees_nothing_of_it_and_a_payment_is_answered_as_often_as_it_is_sent() {
    let served = served(Mode::Echo).await;
    let world = &served.world;
    let session = world.bought(1_000_000).await;
    let mut agent = Agent::open(&served, &session).await;
    let bearer = format!("Bearer {}", session.token());
    let payment = http_payment(world, &session).await;
    for id in ["one", "two"] {
        agent.say("before").await;
        agent.pay(id, &payment).await;
        agent.say("after").await;
        let told = agent.told("x402/payment-response").await;
        assert_eq!((told.id.as_deref(), &told.data["success"]), (Some(id), &json!(true)));
    }
    agent.say("{\"type\":\"x403/").await;
    agent.say("{}").await;
    agent.say(control("end", &json!(null))).await;
    agent.told("x402/error").await;
    assert_eq!(world.chain.transfers().len(), 2);
    // By HTTP it is the same payment as well.
    let header = crate::support::encode(&payment);
    let headers = [("authorization", bearer.as_str()), (header::PAYMENT_SIGNATURE, header.as_str())];
    let reply = world.send(http::Method::POST, "/session/top-up", &headers).await;
    assert_eq!(reply.jti(), session.jti());
    while agent.payloads.len() < 6 {
        let next = tokio::time::timeout(Duration::from_secs(10), agent.socket.next()).await.unwrap();
        agent.payloads.push(next.unwrap().unwrap().into_text().unwrap().to_string());
    }
    assert_eq!(agent.payloads, ["before", "after", "before", "after", "{\"type\":\"x403/", "{}"]);
    assert_eq!(world.chain.transfers().len(), 2);
}

#[tokio::test]
async fn what_is_malformed_is_told_and_not_forwarded() {
    let served = served(Mode::Echo).await;
    let mut agent = Agent::open(&served, &served.world.bought(100_000).await).await;
    let long = format!(r#"{{"type":"x402/payment","id":"{}","data":{{}}}}"#, "x".repeat(65));
    for (text, id) in [
        (r#"{"type":"x402/payment"#, None),
        (r#"{"type":"x402/payment","id":7,"data":{}}"#, None),
        (&long, None),
        (r#"{"type":"x402/payment-required","id":"1","data":{}}"#, Some("1")),
        (r#"{"type":"x402/payment","id":"2","data":{"x402Version":1}}"#, Some("2")),
        (r#"{"type":"x402/payment","id":"3","data":"s3cret"}"#, Some("3")),
    ] {
        agent.say(text).await;
        let told = agent.told("x402/error").await;
        assert_eq!((told.id.as_deref(), &told.data["error"]), (id, &json!("malformed")), "{text}");
        assert!(!told.data.to_string().contains("s3cret"));
    }
    // Longer than a control message may be.
    agent.say(format!(r#"{{"type":"x402/payment","id":"4","data":"{}"}}"#, "x".repeat(17_000))).await;
    let told = agent.told("x402/error").await;
    assert_eq!((told.id, &told.data["error"]), (None, &json!("malformed")));
    assert!(agent.payloads.is_empty(), "{:?}", agent.payloads);
    assert_eq!(served.world.chain.transfers().len(), 1);
}

#[tokio::test]
async fn a_refused_payment_gets_a_fresh_bill_with_the_reason() {
    let served = served(Mode::Echo).await;
    let world = &served.world;
    let mut agent = Agent::open(&served, &world.bought(50_000 * 2).await).await;
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 10_000);
    // For a new session, by its quote.
    agent.pay("1", &payment(world, &required, &offer, 2)).await;
    let told = agent.told("x402/error").await;
    assert_eq!(
        (told.id.as_deref(), &told.data["error"]),
        (Some("1"), &json!("payment-for-another-purchase"))
    );
    // Forged.
    let mut forged = payment(world, &required, &offer, 2);
    forged.as_object_mut().unwrap().remove("extensions");
    forged["payload"]["authorization"]["nonce"] = json!(format!("0x{}", "09".repeat(32)));
    agent.pay("2", &forged).await;
    let (id, fresh) = agent.bill().await;
    assert_eq!(id, "2");
    assert!(fresh.error.unwrap().starts_with(reason::EVM_SIGNATURE));
    // By another wallet.
    let payload = world.wallet(8).sign(&offer, 3);
    agent.pay("3", &json!({ "x402Version": 2, "accepted": offer, "payload": payload })).await;
    let (_, fresh) = agent.bill().await;
    assert!(fresh.error.unwrap().starts_with(reason::INVALID_PAYMENT_REQUIREMENTS));
    assert_eq!(world.chain.transfers().len(), 1);
    let good = payment(world, &PaymentRequired { error: None, ..fresh }, &offer, 4);
    agent.pay("4", &good).await;
    assert_eq!(agent.told("x402/payment-response").await.data["success"], true);
}

/// A payment in doubt is never answered with a new bill, and the same payment gets the final answer.
#[tokio::test]
async fn a_pending_payment_is_told_as_pending() {
    let world = World::with(|config| config.settle_wait = Duration::from_millis(300));
    let served = Served::of(world, Mode::Echo, |feed| feed.route.unit = Unit::Message).await;
    let world = &served.world;
    let session = world.bought(100_000).await;
    let mut agent = Agent::open(&served, &session).await;
    let payment = http_payment(world, &session).await;
    world.chain.faults().next_broadcast(BroadcastFault::ReceiptAfter(Duration::from_secs(1)));
    agent.pay("1", &payment).await;
    let told = agent.told("x402/payment-response").await;
    assert_eq!(
        (&told.data["success"], &told.data["errorReason"]),
        (&json!(false), &json!(reason::SETTLEMENT_PENDING))
    );
    assert!(told.data["transaction"].as_str().unwrap().starts_with("0x"));
    assert!(told.data.get("extensions").is_none());
    loop {
        world.clock.advance(Duration::from_millis(300));
        agent.pay("2", &payment).await;
        let told = agent.told("x402/payment-response").await;
        if told.data["success"] == true {
            break;
        }
    }
    assert_eq!(world.chain.transfers().len(), 2);
}

#[tokio::test]
async fn a_revoked_session_is_not_topped_up() {
    let served = served(Mode::Echo).await;
    let world = &served.world;
    let session = world.bought(100_000).await;
    let mut agent = Agent::open(&served, &session).await;
    let payment = http_payment(world, &session).await;
    world.gate.revoke(&session.jti().parse().unwrap()).await.unwrap();
    // Its stream ends within a second or so; what is said before that is answered.
    agent.pay("1", &payment).await;
    let answer = agent.told_or_closed("x402/error").await;
    assert!(answer.is_none_or(|told| told.data["error"] == "session-revoked"));
    assert_eq!(world.chain.transfers().len(), 1, "refused before anything was settled");
}

/// What is said on one session's stream convinces nobody on another's.
#[tokio::test]
async fn what_is_signed_is_signed_for_its_session_and_its_bytes() {
    let served = served(TICKS).await;
    let (one, two) = (served.world.bought(100_000).await, served.world.bought(100_000).await);
    let mut agent = Agent::open(&served, &one).await;
    let keys = agent.keys.clone();
    let text = loop {
        let next = tokio::time::timeout(Duration::from_secs(10), agent.socket.next()).await.unwrap();
        let text = next.unwrap().unwrap().into_text().unwrap().to_string();
        if text.starts_with(r#"{"type":"x402/payment-required""#) {
            break text;
        }
    };
    let wire: Wire<'_> = serde_json::from_str(&text).unwrap();
    let verify = |session: &Reply, data: &str, id: Option<&str>| {
        let message = ControlMessage { kind: &wire.r#type, id, data };
        let session = session.jti().parse().unwrap();
        ControlClaims::verify(&wire.jws, &keys, PUBLIC_URL, &session, &message, agent.now).is_ok()
    };
    let id = wire.id.as_deref();
    assert!(verify(&one, wire.data.get(), id));
    assert!(!verify(&two, wire.data.get(), id), "another session");
    assert!(!verify(&one, &wire.data.get().replace("10000", "10001"), id), "another amount");
    assert!(!verify(&one, wire.data.get(), Some("else")), "another id");
}
