//! The end of a balance.

use crate::frames::Came;
use crate::report::{ERRORS, Kept, REQUIRED, must};
use crate::session::{Keys, Session};
use crate::talk::{Talk, Told};
use crate::unpaid;
use crate::walk::Walk;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_x402::header;

/// The close code of a balance that is used up, and its reason (paper, section 5.6).
const EXHAUSTED: (u16, &str) = (4008, "Session balance exhausted. Re-authorize via x402 to continue.");

/// A session of more streams than this is not used up one by one.
const STREAMS_MAX: u64 = 64;

const CLOSED: &str = "at zero the stream is closed with 4008 and the paper's reason, and nothing follows";
const RECEIPT: &str = "before the close comes x402/receipt, and it verifies offline";
const NOTICE: &str = "a low balance is told by a signed x402/payment-required (SHOULD)";
const REFUSED: &str = "an exhausted session is answered 403 with a payable PAYMENT-REQUIRED";
const ACCEPTED: &str = "with ?control=v1 an exhausted session is answered 101 and CLOSE 4008";

/// Uses a session up, and looks at how that ends.
pub(crate) async fn ending(walk: &mut Walk, keys: &Keys, session: Option<Session>) {
    let Some(session) = session else {
        return skip(walk, &[NOTICE, RECEIPT, CLOSED, REFUSED, ACCEPTED], "there is no session to use up");
    };
    let used_up = if session.unit == "stream" {
        skip(walk, &[NOTICE, RECEIPT, CLOSED], "a unit is a stream: none of it runs dry while it is watched");
        streams(walk, &session).await
    } else {
        run_dry(walk, keys, &session).await
    };
    if let Err(why) = used_up {
        return skip(walk, &[REFUSED, ACCEPTED], why);
    }
    let bearer = session.bearer();
    let authorized = [("authorization", bearer.as_str())];
    let refused = async {
        // A feed may accept and close instead, for browsers.
        let answer = walk.server.open(&session.ws, &authorized).await?.refused(403)?;
        unpaid::v2(&answer.decoded(header::PAYMENT_REQUIRED)?)
    };
    let refused = refused.await;
    walk.report.rule(ERRORS, REFUSED, refused);
    let accepted = async {
        let mut talk = Talk::open(walk, keys, &session).await?;
        closed(talk.stream.next(walk.server.patience).await?)?;
        talk.stream.after_close(walk.server.patience).await
    };
    let accepted = accepted.await;
    walk.report.rule(ERRORS, ACCEPTED, accepted);
}

fn skip(walk: &mut Walk, rules: &[&str], why: impl std::fmt::Display) {
    for rule in rules {
        let section = if *rule == NOTICE { REQUIRED } else { ERRORS };
        walk.report.skip(section, rule, &why);
    }
}

fn closed(came: Came) -> Kept {
    match came {
        Came::Close { code, reason } if (code, reason.as_str()) == EXHAUSTED => Ok(()),
        other => Err(format!("instead of CLOSE 4008 came {other:?}")),
    }
}

/// Opens and closes streams until none is left.
async fn streams(walk: &Walk, session: &Session) -> Kept {
    must(session.units <= STREAMS_MAX, format!("{} streams are too many to open one by one", session.units))?;
    let bearer = session.bearer();
    for _ in 0..=session.units {
        match walk.server.open(&session.ws, &[("authorization", &bearer)]).await?.stream() {
            Ok((stream, _)) => stream.close().await,
            Err(_) => return Ok(()),
        }
    }
    Err(format!("more than {} streams could be opened", session.units))
}

/// Streams until the balance is used up. An error says why that could not be watched.
async fn run_dry(walk: &mut Walk, keys: &Keys, session: &Session) -> Kept {
    let opened = Talk::open(walk, keys, session).await;
    let mut talk = match opened {
        Ok(talk) => talk,
        Err(why) => {
            walk.report.rule(ERRORS, CLOSED, Err(why));
            return Err("the stream could not be opened".into());
        }
    };
    let until = Instant::now() + walk.server.patience;
    let (mut last, mut notice) = (None::<Told>, false);
    let end = loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            talk.stream.close().await;
            let why = "the balance lasted longer than --patience";
            skip(walk, &[NOTICE, RECEIPT, CLOSED], why);
            return Err(why.into());
        }
        match talk.stream.next(left.min(EVERY)).await {
            Ok(Came::Message { text, whole }) => match talk.read(text.as_deref(), whole) {
                Ok(Some(told)) => {
                    notice |= told.kind == "x402/payment-required";
                    last = Some(told);
                }
                // What is counted may be what the agent sends.
                Ok(None) => {}
                Err(why) => break Err(why),
            },
            Ok(Came::Nothing) => {
                if let Err(why) = talk.stream.say("x").await {
                    break Err(why);
                }
            }
            Ok(came) => break closed(came),
            Err(why) => break Err(why),
        }
    };
    if notice {
        walk.report.rule(REQUIRED, NOTICE, Ok(()));
    } else {
        skip(walk, &[NOTICE], "none came");
    }
    walk.report.rule(ERRORS, RECEIPT, receipt(keys, session, last));
    let end = match end {
        Ok(()) => talk.stream.after_close(walk.server.patience).await,
        Err(why) => Err(why),
    };
    walk.report.rule(ERRORS, CLOSED, end.clone());
    end.map_err(|_| "the balance did not end as it should".into())
}

/// A feed that is silent this long is spoken to: perhaps it answers, or what the agent says is what counts.
const EVERY: Duration = Duration::from_millis(500);

/// The last thing that was said before the close.
fn receipt(keys: &Keys, session: &Session, last: Option<Told>) -> Kept {
    let told = last.filter(|told| told.kind == "x402/receipt").ok_or("no x402/receipt came last")?;
    let receipt = told.data["receipt"].as_str().ok_or("data.receipt is no text")?;
    let claims = keys.receipt(receipt, session)?;
    must(claims.remaining == 0, format!("the receipt says that {} units remain", claims.remaining))?;
    must(claims.used == claims.bought, format!("the receipt says {} of {} used", claims.used, claims.bought))
}
