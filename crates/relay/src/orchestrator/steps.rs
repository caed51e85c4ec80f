//! What a broker does about a session by itself: one step for each state in which it is busy. A step reads what is written
//! down, changes nothing of it, and can be made again by another broker after a crash.

use super::agent::{self, Action, ServiceAgent};
use super::brain::{self, Word};
use super::inner::Inner;
use super::money::{self, Due};
use super::people::Holder;
use super::phase::State;
use super::quote;
use super::record::{Bill, Choice, Done, Job, Money};
use super::words::REVOKED;
use crate::bridge::NoAnswer;
use crate::store::StoreError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tollwire_x402::Usdc;

/// How an agent knows the orchestrator.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-orchestrator-key");

/// The same key is the same job.
const JOB_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest answer of an agent, or of the brain, in bytes: sessions keep it until it has arrived.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// How long the brain may be away before people are told, and how often it is looked for.
const BRAIN_BACK: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a step came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The brain says something itself.
    Said(String),
    /// An agent is chosen.
    Chosen(Choice),
    /// The chosen one cannot work.
    Unavailable(String),
    /// It costs nothing.
    Free,
    /// The person is asked.
    Asked(Bill),
    /// It is paid without being asked for.
    Covered(Bill, Money),
    /// It is paid: by what, in which transaction, from what source.
    Paid(Money, String, Option<&'static str>),
    /// It is not paid, and will not be: why, for people.
    Unpaid(String),
    /// Nobody knows yet whether it is paid.
    InDoubt,
    /// The agent is done.
    Worked(Done),
    /// What is due for it is taken, or given back.
    Cleared,
    /// It cannot be taken: why, for people.
    Uncleared(String),
    /// Something went wrong here: what, for people.
    Failed(String),
}

impl Outcome {
    /// Its name in metrics, if it ends a job or pays for one.
    pub(super) const fn word(&self) -> Option<&'static str> {
        Some(match self {
            Self::Said(_) => "said",
            Self::Unavailable(_) => "unavailable",
            Self::Paid(..) => "paid",
            Self::Unpaid(_) => "unpaid",
            Self::InDoubt => "in_doubt",
            Self::Cleared => "done",
            Self::Uncleared(_) => "uncleared",
            Self::Failed(_) => "failed",
            Self::Chosen(_) | Self::Free | Self::Asked(_) | Self::Covered(..) | Self::Worked(_) => {
                return None;
            }
        })
    }
}

/// Whose session it is, and which.
#[derive(Debug, Clone)]
pub(super) struct Whose {
    pub(super) person: String,
    /// The API key that it is worked for by.
    pub(super) key: String,
    pub(super) session: String,
}

impl Whose {
    /// Whether the key that asked for it is still good. With one that was revoked nothing is begun, and nothing paid.
    pub(super) async fn may(&self, inner: &Inner) -> Result<bool, StoreError> {
        let holder = Holder { id: self.person.clone(), key: self.key.clone() };
        inner.people.is_good(&holder, inner.now()).await
    }
}

/// The step of a session in this state; `again` if it may have been begun before.
pub(super) async fn take(
    inner: Arc<Inner>,
    whose: Whose,
    (state, again): (State, bool),
    job: Job,
) -> Outcome {
    match state {
        State::Choosing => choose(&inner, &whose, &job).await,
        State::AgentConnected => price(&inner, &whose, &job).await,
        State::Paying | State::Closing => money::pay(&inner, &whose, &job, again).await,
        State::Working => match (&job.done, money::due(&job)) {
            (None, _) => match invoke(&inner, &whose, &job).await {
                Invoked::Done(done) => Outcome::Worked(done),
                Invoked::Priced(choice) => money::ask(&inner, &whose, &job, &choice).await,
            },
            (Some(_), Due::Nothing) => Outcome::Cleared,
            (Some(done), _) => money::clear(&inner, &whose, &job, done).await,
        },
        State::Started | State::Connected | State::AwaitingPayment | State::Closed => {
            Outcome::Failed("nothing is to be done".to_owned())
        }
    }
}

fn unavailable(error: &StoreError) -> Outcome {
    tracing::warn!(%error, "a session's step cannot be made");
    Outcome::Failed("the store does not answer; say it again".to_owned())
}

/// Whether the brain is connected; one that has just lost its connection is waited for.
async fn brain_is_there(inner: &Inner) -> bool {
    let back = async {
        while !inner.inside.is_online(&inner.brain).await {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(BRAIN_BACK.min(inner.limits.brain), back).await.is_ok()
}

/// Asks the brain.
async fn choose(inner: &Inner, whose: &Whose, job: &Job) -> Outcome {
    match whose.may(inner).await {
        Ok(true) => {}
        Ok(false) => return Outcome::Failed(REVOKED.to_owned()),
        Err(error) => return unavailable(&error),
    }
    if !brain_is_there(inner).await {
        return Outcome::Unavailable(
            "Nobody is there to choose an agent. Please try again later.".to_owned(),
        );
    }
    let catalogue = match inner.agents.catalogue(inner.now()).await {
        Ok(catalogue) => catalogue,
        Err(error) => return unavailable(&error),
    };
    let question = brain::question(&whose.session, job, &catalogue);
    let name = format!("{}:choose", job.id);
    let asked = inner.inside.ask((&inner.brain, &whose.session), &name, &question, inner.limits.brain).await;
    let word = match asked {
        Ok(answer) => brain::read(&answer),
        Err(error) => {
            tracing::warn!(?error, "the brain does not choose");
            let why = "Nobody has chosen an agent in time. Please try again later.";
            return Outcome::Unavailable(why.to_owned());
        }
    };
    match word {
        Some(Word::Say(text)) if text.len() > OUTPUT_BYTES_MAX => {
            Outcome::Failed("the answer is too long".to_owned())
        }
        Some(Word::Say(text)) => Outcome::Said(text),
        Some(Word::Use(chosen)) => {
            let named = |(agent, _): &&(ServiceAgent, Vec<Action>)| agent.slug.as_str() == chosen.agent;
            let found = catalogue.iter().find(named);
            let action = found.and_then(|(agent, actions)| {
                let action = actions.iter().find(|action| action.name == chosen.action)?;
                Some((agent, action, action.costs()?))
            });
            let Some((agent, action, costs)) = action else {
                tracing::warn!("the brain chose an agent or an action that is not there");
                return Outcome::Failed("no agent of that kind is there".to_owned());
            };
            if !inner.agents.is_healthy(agent, inner.now()).await {
                let why = "The requested agent is currently unhealthy. Please try again later.";
                return Outcome::Unavailable(why.to_owned());
            }
            Outcome::Chosen(chosen.of(agent, action, costs))
        }
        None => Outcome::Failed("the choice of an agent cannot be read".to_owned()),
    }
}

/// Finds out whether the person has to be asked for the price.
async fn price(inner: &Inner, whose: &Whose, job: &Job) -> Outcome {
    match &job.choice {
        Some(choice) if choice.price == Usdc::ZERO => Outcome::Free,
        Some(choice) => money::ask(inner, whose, job, choice).await,
        None => Outcome::Failed("no agent was chosen".to_owned()),
    }
}

/// What an agent has done.
enum Invoked {
    Done(Done),
    /// Nothing yet: it wants to be paid first.
    Priced(Choice),
}

impl Invoked {
    fn failed(why: &str) -> Self {
        Self::Done(Done::Failed(why.to_owned()))
    }
}

/// Has the agent do it. Made again after a crash, it is the same job to the agent.
async fn invoke(inner: &Inner, whose: &Whose, job: &Job) -> Invoked {
    let Some(choice) = &job.choice else { return Invoked::failed("no agent was chosen") };
    let agent = match inner.agents.get(&choice.slug, inner.now()).await {
        Ok(Some(agent)) => agent,
        Ok(None) => return Invoked::failed("the agent is not registered any more"),
        Err(error) => {
            tracing::warn!(%error, "an agent cannot be looked up");
            return Invoked::failed("the agent cannot be reached now");
        }
    };
    let arguments: Value = serde_json::from_str(&choice.arguments).unwrap_or_default();
    let asked = json!({
        "session_id": whose.session, "command": choice.action, "arguments": arguments,
        "context": { "job_id": job.id, "message": job.content, "payment": money::told(job) },
    });
    let answer = match &agent.bridge_agent {
        Some(_) => over_bridge(inner, whose, (job, &agent), asked).await,
        None => match over_http(inner, (job, &agent), &asked).await {
            Ok(Answer::Body(body)) => Ok(body),
            Ok(Answer::Price(price)) => return Invoked::Priced(Choice { price, ..choice.clone() }),
            Err(why) => Err(why),
        },
    };
    Invoked::Done(match answer.and_then(|body| agent::output(&body)) {
        Ok(output) if output.len() > OUTPUT_BYTES_MAX => Done::Failed("its answer is too long".to_owned()),
        Ok(output) => Done::Output(output),
        Err(why) => Done::Failed(why),
    })
}

async fn over_bridge(
    inner: &Inner,
    whose: &Whose,
    (job, agent): (&Job, &ServiceAgent),
    mut asked: Value,
) -> Result<String, String> {
    let Some(id) = &agent.bridge_agent else { return Err("the agent is nowhere".to_owned()) };
    if let Some(members) = asked.as_object_mut() {
        members.insert("type".to_owned(), json!("invoke"));
    }
    let payload = to_raw_value(&asked).map_err(|error| error.to_string())?;
    let name = format!("{}:invoke", job.id);
    let answer = inner.inside.ask((id, &whose.session), &name, &payload, inner.limits.invoke).await;
    match answer {
        Ok(content) => Ok(said(&content)),
        Err(NoAnswer::Late) => Err("the agent did not answer in time".to_owned()),
        Err(NoAnswer::Refused { code, why }) => {
            tracing::debug!(code, "an agent of the bridge refuses");
            Err(why)
        }
    }
}

/// What an agent of the bridge answers: as over HTTP, as that in a text, or plain text, which is its output.
fn said(content: &RawValue) -> String {
    let Ok(text) = serde_json::from_str::<String>(content.get()) else { return content.get().to_owned() };
    let is_answer = serde_json::from_str::<Value>(&text).is_ok_and(|value| value["ok"].is_boolean());
    if is_answer { text } else { json!({ "ok": true, "output": text }).to_string() }
}

/// What an agent answers over HTTP.
enum Answer {
    Body(String),
    /// It wants so much first.
    Price(Usdc),
}

async fn over_http(
    inner: &Inner,
    (job, agent): (&Job, &ServiceAgent),
    asked: &Value,
) -> Result<Answer, String> {
    let Some(api) = agent.api() else { return Err("the agent is nowhere".to_owned()) };
    let mut headers = HeaderMap::new();
    let key = inner.keys.of_agent(agent.slug.as_str(), agent.key_version);
    let mut key = HeaderValue::try_from(key).map_err(|error| error.to_string())?;
    key.set_sensitive(true);
    headers.insert(KEY_HEADER, key);
    // To an agent that keeps its answers, what was asked before it was paid is another request.
    let name = match &job.choice {
        Some(choice) if choice.quoted => format!("{}.paid", job.id),
        _ => job.id.clone(),
    };
    headers.insert(JOB_HEADER, HeaderValue::try_from(name).map_err(|error| error.to_string())?);
    let body = (headers, Some(asked.to_string().into()));
    match inner.upstream.fetch(&api, "/invoke", body, inner.limits.invoke).await {
        Ok(answer) if answer.status == StatusCode::OK => {
            Ok(Answer::Body(String::from_utf8_lossy(&answer.body).into_owned()))
        }
        // Once it is paid, and where it has said what it costs, it may not ask for more.
        Ok(answer) if answer.status == StatusCode::PAYMENT_REQUIRED && job.money.is_none() => {
            let price = quote::price(agent, &answer.headers, &answer.body);
            price.map(Answer::Price).ok_or_else(|| "what it asks for cannot be paid here".to_owned())
        }
        Ok(answer) => Err(format!("the agent answers {}", answer.status.as_u16())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_of_the_bridge_answer_in_three_ways() {
        let said = |text: &str| said(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(said(r#"{"ok":true,"output":1.0}"#), r#"{"ok":true,"output":1.0}"#);
        assert_eq!(said(r#""{\"ok\":false,\"error\":\"no\"}""#), r#"{"ok":false,"error":"no"}"#);
        assert_eq!(said(r#""done""#), r#"{"ok":true,"output":"done"}"#);
        assert_eq!(agent::output(&said(r#""done""#)), Ok("done".into()));
    }
}
