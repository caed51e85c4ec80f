//! An app.

use super::link::{Link, Side};
use super::recent::Recent;
use super::{Config, Error};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What an app is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppEvent {
    /// A connection is open, the first or another.
    Connected,
    /// An event is kept: it will have one end.
    Accepted {
        /// What [`AppClient::send`] gave.
        message: String,
        /// Its name from now on.
        event: String,
        /// Whether its agent is away.
        queued: bool,
    },
    /// Part of an answer.
    Token {
        /// Which event's.
        event: String,
        /// The text.
        text: String,
    },
    /// A final answer.
    Reply {
        /// Which event's.
        event: String,
        /// The answer, as its JSON.
        content: Box<RawValue>,
        /// What the agent says about it.
        metadata: Option<Box<RawValue>>,
        /// The event's payload, byte for byte, unless the broker leaves it out.
        payload: Option<Box<RawValue>>,
    },
    /// An event that ended in an error, or was not accepted.
    Failed {
        /// Which event, once it was accepted.
        event: Option<String>,
        /// What [`AppClient::send`] gave, before it was.
        message: Option<String>,
        /// Such as `AGENT_OFFLINE`.
        code: String,
        /// For people.
        error: String,
    },
    /// The connection has ended for good: the last event.
    Ended {
        /// The close code.
        code: u16,
    },
}

/// An app's side of the bridge. Dropping it closes the connection.
#[derive(Debug)]
pub struct AppClient {
    commands: mpsc::Sender<Sent>,
    events: mpsc::Receiver<AppEvent>,
    task: JoinHandle<()>,
}

/// An event on its way.
#[derive(Debug)]
struct Sent {
    message: String,
    frame: String,
}

impl AppClient {
    /// Connects in the background. Must be called within a tokio runtime.
    pub fn connect(config: Config) -> Result<Self, Error> {
        let (commands, asked) = mpsc::channel(config.waiting_max.max(1));
        let (told, events) = mpsc::channel(config.waiting_max.max(1));
        let link = Link::new(config)?;
        let task = tokio::spawn(link.run(App::default(), asked, told));
        Ok(Self { commands, events, task })
    }

    /// Sends an event; its payload is any JSON and reaches the agent byte for byte. What [`AppEvent::Accepted`] and
    /// [`AppEvent::Failed`] call it by. While there is no connection it waits for one.
    pub async fn send(&self, agent: &str, thread: &str, payload: &str) -> Result<String, Error> {
        let payload: &RawValue =
            serde_json::from_str(payload).map_err(|error| Error::NotJson(error.to_string()))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::NotJson(error.to_string()))?;
        let message = hex::encode(random);
        let (agent, thread) = (json!(agent), json!(thread));
        let frame = format!(
            r#"{{"type":"event","client_msg_id":"{message}","agent_id":{agent},"thread_id":{thread},"payload":{payload}}}"#
        );
        let sent = Sent { message: message.clone(), frame };
        self.commands.send(sent).await.map_err(|_| Error::Ended)?;
        Ok(message)
    }

    /// What happens next; `None` after the end.
    pub async fn next(&mut self) -> Option<AppEvent> {
        self.events.recv().await
    }
}

impl Drop for AppClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an app remembers between connections.
#[derive(Debug, Default)]
struct App {
    /// Events that were not accepted yet, in the order in which they were sent.
    unaccepted: BTreeMap<u64, Sent>,
    next: u64,
    ended: Recent,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    event_id: Option<String>,
    client_msg_id: Option<String>,
    delivery: Option<String>,
    token: Option<String>,
    error: Option<String>,
    code: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl App {
    /// An event was accepted or refused: it need not be sent again. `None` if that was known.
    fn settle(&mut self, message: &str) -> Option<()> {
        let key = *self.unaccepted.iter().find(|(_, sent)| sent.message == message)?.0;
        self.unaccepted.remove(&key).map(drop)
    }

    fn event(&mut self, frame: Frame<'_>) -> Option<AppEvent> {
        match frame.kind.as_str() {
            "accepted" => {
                let (message, event) = (frame.client_msg_id?, frame.event_id?);
                self.settle(&message)?;
                let queued = frame.delivery.as_deref() == Some("queued");
                Some(AppEvent::Accepted { message, event, queued })
            }
            "token" => Some(AppEvent::Token { event: frame.event_id?, text: frame.token? }),
            "reply" => {
                let event = frame.event_id?;
                self.ended.note(&event).then_some(())?;
                Some(AppEvent::Reply {
                    event,
                    content: frame.content?.to_owned(),
                    metadata: frame.metadata.map(ToOwned::to_owned),
                    payload: frame.payload.map(ToOwned::to_owned),
                })
            }
            "error" => {
                if let Some(message) = &frame.client_msg_id {
                    self.settle(message)?;
                } else if let Some(event) = &frame.event_id {
                    self.ended.note(event).then_some(())?;
                }
                Some(AppEvent::Failed {
                    event: frame.event_id,
                    message: frame.client_msg_id,
                    code: frame.code.unwrap_or_default(),
                    error: frame.error.unwrap_or_default(),
                })
            }
            _ => None,
        }
    }
}

impl Side for App {
    type Command = Sent;
    type Event = AppEvent;

    fn opened(&mut self) -> Vec<String> {
        self.unaccepted.values().map(|sent| sent.frame.clone()).collect()
    }

    fn asked(&mut self, sent: Sent) -> String {
        let frame = sent.frame.clone();
        self.next = self.next.saturating_add(1);
        self.unaccepted.insert(self.next, sent);
        frame
    }

    fn heard(&mut self, text: &str) -> (Option<String>, Option<AppEvent>) {
        let frame = serde_json::from_str::<Frame<'_>>(text).ok();
        (None, frame.and_then(|frame| self.event(frame)))
    }

    fn connected() -> AppEvent {
        AppEvent::Connected
    }

    fn ended(code: u16) -> AppEvent {
        AppEvent::Ended { code }
    }
}
