//! An agent.

use super::link::{Link, Side};
use super::recent::Recent;
use super::{Config, Error};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What an agent is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AgentEvent {
    /// A connection is open, the first or another.
    Connected,
    /// An event to answer.
    Event {
        /// Its name.
        event: String,
        /// The app it is from.
        app: String,
        /// Its conversation.
        thread: String,
        /// What the app sent, byte for byte.
        payload: Box<RawValue>,
        /// Whether it may have been sent before, to an earlier connection or process.
        redelivered: bool,
    },
    /// The broker took something amiss: an event that is over, for one.
    Refused {
        /// Which event's.
        event: Option<String>,
        /// Such as `INVALID_MESSAGE`.
        code: String,
    },
    /// The connection has ended for good: the last event. Code 4009: the agent has another connection.
    Ended {
        /// The close code.
        code: u16,
    },
}

/// An agent's side of the bridge. Dropping it closes the connection.
#[derive(Debug)]
pub struct AgentClient {
    commands: mpsc::Sender<Said>,
    events: mpsc::Receiver<AgentEvent>,
    task: JoinHandle<()>,
}

/// A frame on its way, and whether it must arrive.
#[derive(Debug)]
struct Said {
    event: String,
    frame: String,
    last: bool,
}

impl AgentClient {
    /// Connects in the background. Must be called within a tokio runtime.
    pub fn connect(config: Config) -> Result<Self, Error> {
        let (commands, asked) = mpsc::channel(config.waiting_max.max(1));
        let (told, events) = mpsc::channel(config.waiting_max.max(1));
        let link = Link::new(config)?;
        let task = tokio::spawn(link.run(Agent::default(), asked, told));
        Ok(Self { commands, events, task })
    }

    /// Says that an event is taken: it does not come again.
    pub async fn acknowledge(&self, event: &str) -> Result<(), Error> {
        self.say(event, json!({ "type": "ack", "event_id": event }).to_string(), false).await
    }

    /// Part of the answer to an event.
    pub async fn token(&self, event: &str, text: &str) -> Result<(), Error> {
        self.say(event, json!({ "type": "token", "event_id": event, "token": text }).to_string(), false).await
    }

    /// The answer to an event; it is sent again over the next connection if this one ends too early.
    pub async fn reply(&self, event: &str, text: &str) -> Result<(), Error> {
        let frame = json!({ "type": "reply", "event_id": event, "content": text, "done": true, "metadata": {}, "confirm": true });
        self.say(event, frame.to_string(), true).await
    }

    /// That there will be no answer to an event.
    pub async fn fail(&self, event: &str, why: &str) -> Result<(), Error> {
        let frame = json!({ "type": "error", "event_id": event, "error": why, "code": "AGENT_ERROR", "confirm": true });
        self.say(event, frame.to_string(), true).await
    }

    async fn say(&self, event: &str, frame: String, last: bool) -> Result<(), Error> {
        self.commands.send(Said { event: event.to_owned(), frame, last }).await.map_err(|_| Error::Ended)
    }

    /// What happens next; `None` after the end.
    pub async fn next(&mut self) -> Option<AgentEvent> {
        self.events.recv().await
    }
}

impl Drop for AgentClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an agent remembers between connections.
#[derive(Debug, Default)]
struct Agent {
    /// Final answers that the broker has not confirmed, in order: event and frame.
    unconfirmed: VecDeque<(String, String)>,
    /// Events that were told.
    told: Recent,
    /// Events that were answered.
    answered: Recent,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    event_id: Option<String>,
    app_id: Option<String>,
    thread_id: Option<String>,
    redelivered: Option<bool>,
    code: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Agent {
    /// A final answer need not be sent again.
    fn settle(&mut self, event: &str) {
        self.unconfirmed.retain(|(of, _)| of != event);
    }

    fn event(&mut self, frame: Frame<'_>) -> Option<AgentEvent> {
        match frame.kind.as_str() {
            "event" => {
                let event = frame.event_id?;
                // What comes again is under way, unless its answer has left and is missing all the same.
                let under_way =
                    !self.answered.knows(&event) || self.unconfirmed.iter().any(|(of, _)| *of == event);
                (self.told.note(&event) || !under_way).then_some(())?;
                Some(AgentEvent::Event {
                    event,
                    app: frame.app_id?,
                    thread: frame.thread_id?,
                    payload: frame.payload?.to_owned(),
                    redelivered: frame.redelivered.unwrap_or_default(),
                })
            }
            "confirmed" => {
                self.settle(&frame.event_id?);
                None
            }
            "error" => {
                if let Some(event) = &frame.event_id {
                    self.settle(event);
                }
                // The same final answer, over two connections.
                let known = frame.event_id.as_ref().is_some_and(|event| !self.answered.note(event));
                let code = frame.code.unwrap_or_default();
                (!known).then_some(AgentEvent::Refused { event: frame.event_id, code })
            }
            _ => None,
        }
    }
}

impl Side for Agent {
    type Command = Said;
    type Event = AgentEvent;

    fn opened(&mut self) -> Vec<String> {
        self.unconfirmed.iter().map(|(_, frame)| frame.clone()).collect()
    }

    fn asked(&mut self, said: Said) -> String {
        if said.last {
            self.answered.note(&said.event);
            self.unconfirmed.push_back((said.event, said.frame.clone()));
        }
        said.frame
    }

    fn heard(&mut self, text: &str) -> (Option<String>, Option<AgentEvent>) {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else { return (None, None) };
        if frame.kind == "ping" {
            return (Some(r#"{"type":"pong"}"#.to_owned()), None);
        }
        (None, self.event(frame))
    }

    fn connected() -> AgentEvent {
        AgentEvent::Connected
    }

    fn ended(code: u16) -> AgentEvent {
        AgentEvent::Ended { code }
    }
}
