//! The shared vectors of the WebSocket transport: this gate answers as the file says, and the file is what it is made of.
//!
//! `TOLLWIRE_WRITE_VECTORS=1 cargo test -p tollwire-gate --test gate vectors` writes `tests/vectors/websocket.json`.

mod exchanges;
mod file;
mod forged;
mod same;
mod stage;
mod talks;
mod wire;

use crate::support::PUBLIC_URL;
use file::{CloseRow, Conversation, Exchange, File, Step};
use stage::Stage;
use tollwire_session::{ControlClaims, ControlMessage, KeySet};
use tollwire_x402::close::CloseCode;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/websocket.json");

/// Every exchange and every conversation, in order, on one stage. Writes down what it sees where it is told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_says_what_the_file_says() {
    let writing = std::env::var_os("TOLLWIRE_WRITE_VECTORS").is_some();
    let stage = Stage::set().await;
    let stored: Option<File> = std::fs::read_to_string(PATH)
        .ok()
        .map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{PATH}: {error}")));
    let made = file::file(&stage).await;
    if !writing {
        let stored = stored.as_ref().unwrap();
        assert!(stored.asks_the_same(&made), "websocket.json is stale: run with TOLLWIRE_WRITE_VECTORS=1");
    }
    let mut seen = Vec::new();
    for exchange in &made.exchanges {
        let known = stored.as_ref().and_then(|stored| stored.exchange(&exchange.name));
        seen.push(play(&stage, exchange, known, writing).await);
    }
    let exchanges = seen;
    let mut conversations = Vec::new();
    for talk in &made.conversations {
        let known = stored.as_ref().and_then(|stored| stored.conversation(&talk.name));
        conversations.push(talk_through(&stage, talk, known, writing).await);
    }
    if writing {
        let forged = forged::of(&conversations);
        let file = File { exchanges, conversations, forged, ..made };
        std::fs::write(PATH, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
    }
}

/// Sends one request, and compares the answer with what is known; what is not known, or has changed, is only taken while
/// writing.
async fn play(stage: &Stage, asked: &Exchange, known: Option<&Exchange>, writing: bool) -> Exchange {
    stage.before(&asked.name);
    let answer = wire::exchange(stage.address(), &asked.request).await;
    let got = same::described(&answer);
    assert_eq!(got.status, asked.response.status, "{}: {answer:?}", asked.name);
    match known {
        Some(known) if same::responses(&stage.keys, &known.response, &got).is_ok() => known.clone(),
        Some(known) if !writing => {
            let why = same::responses(&stage.keys, &known.response, &got).unwrap_err();
            panic!("{}: {why}", asked.name)
        }
        _ => Exchange { response: got, ..asked.clone() },
    }
}

/// Talks on one stream: sends what the agent sends, and compares what comes.
async fn talk_through(
    stage: &Stage,
    asked: &Conversation,
    known: Option<&Conversation>,
    writing: bool,
) -> Conversation {
    let mut socket = wire::open(stage.address(), &asked.target).await;
    let mut steps = Vec::new();
    for (n, step) in asked.steps.iter().enumerate() {
        if let Step::Send(frame) = step {
            socket.send(frame).await;
            steps.push(step.clone());
            continue;
        }
        let came = socket.next().await;
        let known = known.and_then(|known| known.steps.get(n));
        let context = || format!("{}, step {n}: {came:?}", asked.name);
        assert!(step.is_kind_of(&came), "{} instead of {step:?}", context());
        match known {
            Some(known) if same::steps(known, &came).is_ok() => steps.push(known.clone()),
            Some(known) if !writing => panic!("{}: {}", context(), same::steps(known, &came).unwrap_err()),
            _ => steps.push(came),
        }
    }
    Conversation { steps, ..asked.clone() }
}

fn stored() -> File {
    serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap()
}

/// What the server says in the file is signed for its session and its moment; what is forged is not.
#[test]
fn messages_verify_offline_and_forgeries_do_not() {
    let file = stored();
    let keys = KeySet::from_jwks(&file.jwks.to_string()).unwrap();
    let mut genuine = 0;
    for talk in &file.conversations {
        for step in &talk.steps {
            let Step::Control(control) = step else { continue };
            let session = file.session(&talk.session);
            assert_eq!(forged::judge(&control.text, &keys, session, file.now), "ok", "{}", talk.name);
            genuine += 1;
        }
    }
    assert!(genuine >= 15, "{genuine}");
    assert!(file.forged.len() >= 10);
    for forgery in &file.forged {
        let session = file.session(&forgery.session);
        let verdict = forged::judge(&forgery.text, &keys, session, forgery.now);
        assert_eq!(verdict, forgery.expect, "{}", forgery.name);
    }
}

#[test]
fn close_codes_are_those_of_the_table() {
    let table = [
        (CloseCode::Exhausted, "4008"),
        (CloseCode::Unauthorized, "4001"),
        (CloseCode::SessionClosed, "1000"),
        (CloseCode::Replaced, "4009"),
        (CloseCode::TryAgainLater, "1013"),
        (CloseCode::GoingAway, "1001"),
        (CloseCode::ProtocolError, "1002"),
    ];
    let rows = file::close_codes();
    assert_eq!(stored().close_codes, rows);
    assert_eq!(rows.len(), table.len());
    for (row, (code, number)) in rows.iter().zip(table) {
        let CloseRow { code: known, reason, .. } = row;
        assert_eq!((known.to_string().as_str(), reason.as_str()), (number, code.reason()));
    }
}

/// One message of the server's, as text.
fn verify(
    envelope: &forged::Envelope<'_>,
    keys: &KeySet,
    session: &str,
    now: u64,
) -> Result<ControlClaims, tollwire_session::Error> {
    let message =
        ControlMessage { kind: &envelope.kind, id: envelope.id.as_deref(), data: envelope.data.get() };
    ControlClaims::verify(&envelope.jws, keys, PUBLIC_URL, &session.parse().unwrap(), &message, now)
}
