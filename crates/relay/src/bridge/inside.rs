//! An app that lives in the broker itself: it says and hears the same frames as any other, over no socket.

use super::app::{self, AppLink};
use super::hub::AppSeat;
use super::registry::{App, KeptToken};
use super::start::Bridge;
use super::token::{Party, TokenError};
use super::{AgentId, AppId};
use crate::runtime::{Budget, Next, Outbox, Protocol as _};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of frames that may wait for it: it takes them at once.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Answers to questions that were asked before a restart, until they are asked again.
const EARLY_MAX: usize = 1_024;

/// Such an app.
pub(crate) struct Inside {
    bridge: Bridge,
    link: Arc<AppLink>,
    /// One at a time says something.
    saying: tokio::sync::Mutex<()>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// In time.
    Late,
    /// The bridge, or the agent, says why: code and text.
    Refused { code: String, why: String },
}

type Answered = Result<Box<RawValue>, NoAnswer>;

#[derive(Default)]
struct Waiting {
    /// Questions that are not accepted yet, by the name that they were asked under.
    asked: HashMap<String, oneshot::Sender<Answered>>,
    /// Questions that are, by their event.
    accepted: HashMap<String, oneshot::Sender<Answered>>,
    /// Answers that nobody waits for yet.
    early: VecDeque<(String, Answered)>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    event_id: Option<String>,
    #[serde(default)]
    client_msg_id: Option<String>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

impl Bridge {
    /// Lets an app of the broker's own in, under a name that nobody else has then. `tasks` and `stop` end what it does.
    pub(crate) fn host(
        &self,
        id: &AppId,
        org: &str,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<Inside, TokenError> {
        let inner = self.inner();
        let (_, hash) = inner.directory.key().issue(&Party::App(id.clone()))?;
        let mut app = App::new(id.clone());
        org.clone_into(&mut app.org);
        app.tokens = vec![KeptToken { hash, until: None }];
        app.echo_payload = false;
        (app.events_per_minute, app.events_per_hour) = (Some(u32::MAX), Some(u32::MAX));
        inner.directory.host(app);
        let outbox = Arc::new(Outbox::new(QUEUE_BYTES));
        let seat = Arc::new(AppSeat::new(inner.connection(), id.clone(), hash, Arc::clone(&outbox)));
        // It is the only one of its name on this node.
        let _first = inner.hub.join_app(&seat, usize::MAX);
        let (link, work) = app::link(inner, &seat, Budget::new(QUEUE_BYTES));
        let (link, waiting) = (Arc::new(link), Arc::new(Mutex::<Waiting>::default()));
        let over = stop.clone();
        tasks.spawn(async move { over.run_until_cancelled(work.run()).await });
        let (over, heard, reading) = (stop.clone(), Arc::clone(&waiting), Arc::clone(&link));
        tasks.spawn(async move { over.run_until_cancelled(hear(&outbox, &heard, &reading)).await });
        Ok(Inside { bridge: self.clone(), link, saying: tokio::sync::Mutex::default(), waiting })
    }
}

impl Inside {
    /// Whether an agent is connected, here or elsewhere.
    pub(crate) async fn is_online(&self, agent: &AgentId) -> bool {
        self.bridge.inner().is_online(agent).await
    }

    /// An agent's name for people.
    pub(crate) fn name_of(&self, agent: &AgentId) -> String {
        let registry = self.bridge.inner().directory.present();
        registry.agents.get(agent).map_or_else(|| agent.to_string(), |agent| agent.name.clone())
    }

    /// Asks an agent. The same `name` again, after a restart too, is the same question, which the agent hears once.
    pub(crate) async fn ask(
        &self,
        (agent, thread): (&AgentId, &str),
        name: &str,
        payload: &RawValue,
        within: Duration,
    ) -> Answered {
        let (sender, answer) = oneshot::channel();
        locked(&self.waiting).asked.insert(name.to_owned(), sender);
        let asked = Asked { waiting: &self.waiting, name };
        let frame = json!({
            "type": "event", "agent_id": agent, "thread_id": thread, "client_msg_id": name, "payload": payload,
        });
        let answered = timeout(within, async {
            {
                let _turn = self.saying.lock().await;
                self.link.ready().await;
                self.link.heard(&frame.to_string());
            }
            answer.await
        })
        .await;
        drop(asked);
        match answered {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) | Err(_) => Err(NoAnswer::Late),
        }
    }
}

/// Whoever does not wait any more is forgotten.
struct Asked<'a> {
    waiting: &'a Mutex<Waiting>,
    name: &'a str,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut waiting = locked(self.waiting);
        waiting.asked.remove(self.name);
        waiting.accepted.retain(|_, sender| !sender.is_closed());
    }
}

fn locked(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what the bridge says, as a socket's writer would.
async fn hear(outbox: &Outbox, waiting: &Mutex<Waiting>, link: &AppLink) {
    loop {
        match outbox.next().await {
            Next::Frame(frame) => take(&frame.text, waiting),
            Next::Probe(number) => link.arrived(number),
            Next::Ping => {}
            Next::Close(code) => return tracing::error!(?code, "the broker's own app was cut off"),
        }
    }
}

fn take(text: &str, waiting: &Mutex<Waiting>) {
    let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else {
        return tracing::error!("a frame for the broker's own app cannot be read");
    };
    let mut waiting = locked(waiting);
    match (frame.kind, frame.event_id, frame.client_msg_id) {
        ("accepted", Some(event), Some(name)) => {
            let Some(sender) = waiting.asked.remove(&name) else { return };
            match waiting.early.iter().position(|(early, _)| *early == event) {
                Some(at) => drop(waiting.early.remove(at).map(|(_, answer)| sender.send(answer))),
                None => drop(waiting.accepted.insert(event, sender)),
            }
        }
        ("reply", Some(event), _) => {
            let content = frame.content.map(ToOwned::to_owned);
            let refused = || NoAnswer::Refused { code: "AGENT_ERROR".into(), why: "an empty answer".into() };
            waiting.answer(event, content.ok_or_else(refused));
        }
        ("error", event, name) => {
            let (code, why) = (frame.code.unwrap_or_default(), frame.error.unwrap_or_default());
            let refused = Err(NoAnswer::Refused { code, why });
            match (name.and_then(|name| waiting.asked.remove(&name)), event) {
                (Some(sender), _) => drop(sender.send(refused)),
                (None, Some(event)) => waiting.answer(event, refused),
                (None, None) => {}
            }
        }
        _ => {}
    }
}

impl Waiting {
    fn answer(&mut self, event: String, answer: Answered) {
        if let Some(sender) = self.accepted.remove(&event) {
            drop(sender.send(answer));
            return;
        }
        self.early.push_back((event, answer));
        if self.early.len() > EARLY_MAX {
            self.early.pop_front();
        }
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(waiting: &Mutex<Waiting>, name: &str) -> oneshot::Receiver<Answered> {
        let (sender, answer) = oneshot::channel();
        locked(waiting).asked.insert(name.into(), sender);
        answer
    }

    #[test]
    fn answers_find_who_waits_for_them() {
        let waiting = Mutex::default();
        let mut first = ask(&waiting, "one");
        take(r#"{"type":"accepted","event_id":"e1","client_msg_id":"one"}"#, &waiting);
        take(r#"{"type":"token","event_id":"e1","token":"x"}"#, &waiting);
        assert!(first.try_recv().is_err());
        take(r#"{"type":"reply","event_id":"e1","content":{ "a":1.0 },"done":true}"#, &waiting);
        assert_eq!(first.try_recv().unwrap().unwrap().get(), r#"{ "a":1.0 }"#);

        let mut refused = ask(&waiting, "two");
        take(
            r#"{"type":"error","event_id":null,"client_msg_id":"two","error":"no","code":"NOT_ALLOWED"}"#,
            &waiting,
        );
        let why = NoAnswer::Refused { code: "NOT_ALLOWED".into(), why: "no".into() };
        assert_eq!(refused.try_recv().unwrap().unwrap_err(), why);

        // After a restart the answer may be there before the question is asked again.
        take(r#"{"type":"reply","event_id":"e3","content":"early","done":true}"#, &waiting);
        let mut again = ask(&waiting, "three");
        take(r#"{"type":"accepted","event_id":"e3","client_msg_id":"three","duplicate":true}"#, &waiting);
        assert_eq!(again.try_recv().unwrap().unwrap().get(), r#""early""#);
    }

    #[test]
    fn who_does_not_wait_is_forgotten() {
        let waiting = Mutex::default();
        let answer = ask(&waiting, "one");
        take(r#"{"type":"accepted","event_id":"e1","client_msg_id":"one"}"#, &waiting);
        drop(answer);
        drop(Asked { waiting: &waiting, name: "one" });
        assert!(locked(&waiting).accepted.is_empty());
    }
}
