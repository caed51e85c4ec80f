//! A facilitator that does not know yet what became of a payment: it is asked after, through kill -9, and nobody pays again.

use super::helper::Helper;
use super::paying::{approval, signed};
use super::rig::{APPROVE, CANCEL, COUNT, Opened, Person, SUMMARIZE, Talk, brain, register, secrets, start};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tollwire_testkit::process::Process;
use tollwire_tests::agent::Agent;
use tollwire_tests::broker::{Broker, BrokerSettings};

/// A facilitator that settles when it is told to, and until then does not know.
struct Undecided {
    url: String,
    state: Arc<State>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    decided: AtomicBool,
    settles: Mutex<Vec<Value>>,
}

impl Undecided {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, mut server) = (Arc::<State>::default(), JoinSet::new());
        let known = Arc::clone(&state);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&known);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                connections.spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { url, state, _server: server }
    }

    fn settles(&self) -> Vec<Value> {
        self.state.settles.lock().unwrap().clone()
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let network = "eip155:84532";
    let said = match head.uri.path() {
        "/supported" => json!({
            "kinds": [{ "x402Version": 2, "scheme": "exact", "network": network }], "extensions": [], "signers": {},
        }),
        "/verify" => json!({ "isValid": true }),
        _ => {
            state.settles.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            if state.decided.load(Ordering::SeqCst) {
                json!({ "success": true, "transaction": "0xabc", "network": network })
            } else {
                json!({ "success": false, "errorReason": "settlement_pending", "transaction": "", "network": network })
            }
        }
    };
    Ok(Response::new(Full::new(Bytes::from(said.to_string()))))
}

/// A person whose signed payment is in doubt.
struct Doubt {
    broker: Broker,
    facilitator: Undecided,
    helper: Helper,
    person: Person,
    session: Opened,
    talk: Talk,
    _brain: Process,
}

impl Doubt {
    async fn begin() -> Self {
        let facilitator = Undecided::start().await;
        let settings = BrokerSettings {
            top: format!(
                "store = \"file:./broker.db\"\ntoken_key = \"file:token-key\"\nfacilitator = \"{}\"\n",
                facilitator.url
            ),
            apis: "[orchestrator]\nbrain = \"brain\"\n".into(),
            admin: "token = \"file:admin-token\"".into(),
            ..BrokerSettings::default()
        };
        let broker = start(&settings, &secrets()).await;
        let (brain, helper) = (brain(&broker).await, Helper::start().await);
        register(&broker, &helper).await;
        let person = Person::add(&broker, "ada").await;
        let (mut talk, session) = person.connect(&broker).await;
        talk.say(SUMMARIZE).await;
        let asked = talk.heard("PAYMENT_REQUEST").await;
        talk.say(&approval(&signed(&Agent::new(), &asked))).await;
        Self { broker, facilitator, helper, person, session, talk, _brain: brain }
    }
}

#[tokio::test]
async fn a_payment_in_doubt_is_asked_after_and_never_asked_for_again() {
    let Doubt { mut broker, facilitator, helper, person, session, mut talk, _brain } = Doubt::begin().await;
    assert!(talk.is_silent(Duration::from_millis(1_500)).await, "nobody knows yet");
    talk.say(APPROVE).await;
    talk.error("invalid_message").await;
    broker.crash_and_restart().await;
    let mut talk = Talk::open(&broker, &person.again(&broker, &session).await).await;
    assert!(talk.is_silent(Duration::from_millis(1_500)).await, "it is not asked for again");
    assert!(helper.invoked().is_empty(), "no agent is asked before it is paid");
    facilitator.state.decided.store(true, Ordering::SeqCst);
    assert_eq!(talk.heard("PAYMENT_SUCCESSFUL").await["tx_hash"], "0xabc");
    assert_eq!(talk.answer().await, "summarize: done");
    let settles = facilitator.settles();
    assert!(settles.len() >= 3, "{}", settles.len());
    assert!(settles.iter().all(|settle| *settle == settles[0]), "the same payment each time");
    assert_eq!(helper.invoked().len(), 1);
}

/// The rows of a payment that is being made: the sub-state of the phase table, allowed and refused.
#[tokio::test]
async fn who_cancels_while_it_is_paid_is_told_how_that_ended_first() {
    let Doubt { broker, facilitator, helper, person, session, mut talk, _brain } = Doubt::begin().await;
    let seen = async |phase: &str| {
        let path = format!("/api/sessions/{}", session.id);
        let seen = person.ask(&broker, "GET", &path, &Value::Null).await.json();
        assert_eq!(seen["phase"], phase, "{seen}");
        seen
    };
    talk.say(COUNT).await;
    talk.say(APPROVE).await;
    talk.error("invalid_message").await;
    assert_eq!(seen("AWAITING_PAYMENT").await["waiting_messages"], 1, "a message waits");
    talk.say(CANCEL).await;
    for refused in [COUNT, APPROVE, CANCEL] {
        talk.say(refused).await;
        talk.error("invalid_message").await;
    }
    seen("AWAITING_PAYMENT").await;
    facilitator.state.decided.store(true, Ordering::SeqCst);
    assert_eq!(talk.heard("PAYMENT_SUCCESSFUL").await["tx_hash"], "0xabc");
    talk.heard("SESSION_CLOSED").await;
    assert_eq!(talk.ended().await, 1000);
    seen("CLOSED").await;
    assert!(helper.invoked().is_empty(), "nothing is done for somebody who has gone");
    // What was paid is theirs.
    let (mut talk, _) = person.connect(&broker).await;
    talk.say(SUMMARIZE).await;
    let paid = talk.heard("PAYMENT_SUCCESSFUL").await;
    assert_eq!((&paid["source"], &paid["tx_hash"]), (&json!("credit"), &json!("0xabc")));
    assert_eq!(talk.answer().await, "summarize: done");
}
