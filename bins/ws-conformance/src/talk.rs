//! What is said about money within a stream (`?control=v1`).

use crate::frames::{Came, Stream, TEXT};
use crate::purse::Payment;
use crate::report::{DELIVERY, ERRORS, Kept, PAYLOAD, REQUIRED, must};
use crate::session::{Keys, Session};
use crate::walk::Walk;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_session::ControlMessage;
use tollwire_x402::header;

/// How every control message begins.
const PREFIX: &str = r#"{"type":"x402/"#;

/// The longest control message, in bytes.
const BYTES_MAX: usize = 16 * 1024;

/// A message as it is read.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    jws: Cow<'a, str>,
}

/// A message of the server's, verified.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A stream, and who speaks on it.
pub(crate) struct Talk<'a> {
    pub(crate) stream: Box<Stream>,
    keys: &'a Keys,
    session: &'a Session,
    patience: Duration,
}

impl<'a> Talk<'a> {
    /// Opens a stream on which control messages are spoken.
    pub(crate) async fn open(walk: &Walk, keys: &'a Keys, session: &'a Session) -> Result<Self, String> {
        let bearer = session.bearer();
        let url = session.at(&[("control", "v1")]);
        let (stream, headers) = walk.server.open(&url, &[("authorization", &bearer)]).await?.stream()?;
        must(!headers.contains_key("sec-websocket-extensions"), "an extension was agreed on")?;
        Ok(Self { stream, keys, session, patience: walk.server.patience })
    }

    /// Reads a message, if it is the server's; the feed's own is `None`.
    pub(crate) fn read(&self, text: Option<&str>, whole: bool) -> Result<Option<Told>, String> {
        let Some(text) = text.filter(|text| text.starts_with(PREFIX)) else { return Ok(None) };
        let envelope: Envelope<'_> =
            serde_json::from_str(text).map_err(|error| format!("a control message: {error}: {text}"))?;
        let message =
            ControlMessage { kind: &envelope.kind, id: envelope.id.as_deref(), data: envelope.data.get() };
        self.keys.control(&envelope.jws, &message, self.session)?;
        must(whole, "a control message is fragmented")?;
        let data = serde_json::from_str(envelope.data.get()).map_err(|error| error.to_string())?;
        Ok(Some(Told { kind: envelope.kind.into_owned(), id: envelope.id.map(Cow::into_owned), data }))
    }

    /// The answer of this kind to what was said under `id`. Notices of a low balance, which answer nothing, are passed
    /// over.
    async fn told(&mut self, kind: &str, id: Option<&str>) -> Result<Told, String> {
        let until = Instant::now() + self.patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (text, whole) = match self.stream.next(left).await? {
                Came::Message { text, whole } => (text, whole),
                other => return Err(format!("instead of {kind} came {other:?}")),
            };
            let Some(told) = self.read(text.as_deref(), whole)? else { continue };
            if told.kind == "x402/payment-required" && told.id.as_deref() != id {
                continue;
            }
            must(told.kind == kind, format!("instead of {kind} came {}: {}", told.kind, told.data))?;
            must(
                told.id.as_deref() == id,
                format!("the id of the answer is {:?} instead of {id:?}", told.id),
            )?;
            return Ok(told);
        }
    }

    async fn pay(&mut self, id: &str, payment: &Value) -> Result<(), String> {
        self.stream.say(&format!(r#"{{"type":"x402/payment","id":{},"data":{payment}}}"#, json!(id))).await
    }
}

/// Whether a stream is open: neither a close nor the end comes within a moment.
pub(crate) async fn goes_on(stream: &mut Stream) -> Kept {
    const MOMENT: Duration = Duration::from_millis(1_500);
    let until = Instant::now() + MOMENT;
    loop {
        match stream.next(until.saturating_duration_since(Instant::now())).await? {
            Came::Message { .. } if Instant::now() < until => {}
            Came::Message { .. } | Came::Nothing => return Ok(()),
            other => return Err(format!("the live stream ended: {other:?}")),
        }
    }
}

/// Everything that can be said on a live stream. `bought` is the payment that bought its session.
pub(crate) async fn talk(walk: &mut Walk, keys: &Keys, session: &Session, bought: &Payment) {
    let rule = "a stream with ?control=v1 agrees on no WebSocket extension";
    let mut talk = match Talk::open(walk, keys, session).await {
        Ok(talk) => talk,
        Err(why) => return walk.report.rule(REQUIRED, rule, Err(why)),
    };
    walk.report.rule(REQUIRED, rule, Ok(()));
    for (rule, frames, id) in malformed() {
        let answered = async {
            for (first, payload) in &frames {
                talk.stream.send(*first, payload).await?;
            }
            let told = talk.told("x402/error", id).await?;
            let worded = told.data["error"].is_string() && told.data["message"].is_string();
            must(worded, format!("data is not {{error, message}}: {}", told.data))
        };
        let answered = answered.await;
        walk.report.rule(ERRORS, &format!("in band, {rule} is answered with a signed x402/error"), answered);
    }
    payments(walk, &mut talk, bought).await;
    talk.stream.close().await;
    let rule = "a frame of the agent's with a reserved bit ends the stream with 1002";
    let ended = async {
        let mut talk = Talk::open(walk, keys, session).await?;
        talk.stream.send(TEXT | 0x40, b"x").await?;
        closes_with(&mut talk.stream, 1002, walk.server.patience).await
    };
    let ended = ended.await;
    walk.report.rule(PAYLOAD, rule, ended);
}

/// The next close, past all messages.
pub(crate) async fn closes_with(stream: &mut Stream, wanted: u16, patience: Duration) -> Kept {
    let until = Instant::now() + patience;
    loop {
        match stream.next(until.saturating_duration_since(Instant::now())).await? {
            Came::Message { .. } => {}
            Came::Close { code, .. } => return must(code == wanted, format!("close code {code}")),
            other => return Err(format!("instead of a close came {other:?}")),
        }
    }
}

type Frames = Vec<(u8, Vec<u8>)>;

/// What must be answered with an error, and the id that the answer bears.
fn malformed() -> Vec<(&'static str, Frames, Option<&'static str>)> {
    let text = |text: &str| vec![(TEXT, text.as_bytes().to_vec())];
    let halves =
        |one: &str, two: &str| vec![(0x01, one.as_bytes().to_vec()), (0x80, two.as_bytes().to_vec())];
    let mut long = br#"{"type":"x402/payment","id":"5","data":""#.to_vec();
    long.resize(BYTES_MAX + 1, b'x');
    let mut bytes = br#"{"type":"x402/payment","id":""#.to_vec();
    bytes.push(0xFF);
    vec![
        ("what is no JSON", text(r#"{"type":"x402/payment"#), None),
        ("what has no data", text(r#"{"type":"x402/payment","id":"5"}"#), None),
        ("an id that is a number", text(r#"{"type":"x402/payment","id":5,"data":{}}"#), None),
        (
            "an id of 65 characters",
            text(&format!(r#"{{"type":"x402/payment","id":"{}","data":{{}}}}"#, "i".repeat(65))),
            None,
        ),
        ("a type that agents do not send", text(r#"{"type":"x402/receipt","id":"5","data":{}}"#), Some("5")),
        ("data that is no payment", text(r#"{"type":"x402/payment","id":"6","data":{}}"#), Some("6")),
        ("a message of more than 16 KiB", vec![(TEXT, long)], None),
        ("text that is not UTF-8", vec![(TEXT, bytes)], None),
        ("a fragmented message", halves(r#"{"type":"x402/payment","#, r#""id":"5","data":{}}"#), None),
        ("a message fragmented within its first bytes", halves(r#"{"ty"#, r#"pe":1}"#), None),
    ]
}

/// Payments within the stream.
async fn payments(walk: &mut Walk, talk: &mut Talk<'_>, bought: &Payment) {
    let rule = "an x402/payment for another purchase is answered with x402/error";
    let elsewhere = async {
        talk.pay("else", &bought.v2_alone()).await?;
        talk.told("x402/error", Some("else")).await.map(drop)
    };
    let elsewhere = elsewhere.await;
    walk.report.rule(ERRORS, rule, elsewhere);
    let bill = match bill(walk, talk).await {
        Ok(bill) => bill,
        Err(why) => return walk.report.rule(REQUIRED, "an unpaid top-up is answered 402", Err(why)),
    };
    let paid =
        "an x402/payment is answered with x402/payment-response: success, with token, balance and receipt";
    let Some(offer) = walk.purse.affordable(&bill).into_iter().next() else {
        return walk.report.skip(DELIVERY, paid, "no offer can be paid within --max on these networks");
    };
    let rule = "an x402/payment that its payer did not sign is answered with x402/payment-required";
    let forged = async {
        let forged = walk.purse.forge(&offer)?;
        talk.pay("forged", &forged.v2(&bill)).await?;
        let told = talk.told("x402/payment-required", Some("forged")).await?;
        crate::unpaid::v2(&told.data)?;
        must(told.data["error"].is_string(), "the bill does not say why")
    };
    let forged = forged.await;
    walk.report.rule(ERRORS, rule, forged);
    let first = async {
        let payment = walk.purse.pay(&offer)?.v2(&bill);
        let first = settled(talk, "pay", &payment).await?;
        let info = &first["extensions"]["tollwire-session"]["info"];
        must(info["unitsRemaining"].is_u64(), "no unitsRemaining")?;
        must(info["expiresAt"].is_string(), "no expiresAt")?;
        talk.keys.token(info["token"].as_str().ok_or("no token")?, &talk.session.jti)?;
        talk.keys.receipt(info["receipt"].as_str().ok_or("no receipt")?, talk.session)?;
        let deposited = info["deposited"].as_str().ok_or("no deposited")?;
        must(deposited != talk.session.deposited, "the session's deposit is what it was")?;
        Ok((payment, deposited.to_owned()))
    };
    let first: Result<(Value, String), String> = first.await;
    walk.report.rule(DELIVERY, paid, first.as_ref().map(drop).map_err(Clone::clone));
    let Ok((payment, deposited)) = first else { return };
    let again = async {
        let second = settled(talk, "again", &payment).await?;
        let now = second["extensions"]["tollwire-session"]["info"]["deposited"].as_str();
        must(now == Some(&deposited), format!("deposited is {now:?} instead of {deposited}"))?;
        goes_on(&mut talk.stream).await
    };
    let again = again.await;
    walk.report.rule(DELIVERY, "the same x402/payment again adds nothing, and the stream goes on", again);
}

/// Sends a payment until its fate is told: in doubt, the same one is sent again.
async fn settled(talk: &mut Talk<'_>, id: &str, payment: &Value) -> Result<Value, String> {
    let until = Instant::now() + talk.patience;
    loop {
        talk.pay(id, payment).await?;
        let told = talk.told("x402/payment-response", Some(id)).await?;
        if told.data["success"] == true {
            return Ok(told.data);
        }
        let pending = told.data["errorReason"] == "settlement_pending";
        must(pending && Instant::now() < until, format!("no success: {}", told.data))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The bill for more units, over HTTP.
async fn bill(walk: &Walk, talk: &Talk<'_>) -> Result<Value, String> {
    let bearer = talk.session.bearer();
    let url = talk.keys.top_up()?;
    let answer = walk.server.send(Method::POST, &url, &[("authorization", &bearer)]).await?;
    answer.is(402)?.decoded(header::PAYMENT_REQUIRED)
}
