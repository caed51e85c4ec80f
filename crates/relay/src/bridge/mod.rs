//! The messaging bridge: apps send events to agents and get their answers, token by token; neither ever opens a payload,
//! and nor does the bridge.
//!
//! ```text
//!   app ──event──▶ submit ──▶ log "events:{agent}" ──▶ desk ──event──▶ agent
//!   app ◀─answer── answers ◀── log "answers:{app}" ◀── end ◀──reply── agent
//!   app ◀─────────── token (kept nowhere) ◀───────────────── token ── agent
//! ```
//!
//! An event is in the log before its app hears `accepted`, and leaves it in the very step that puts its answer there; the
//! answer leaves it when a pong has come that was asked for after it. So `kill -9` anywhere loses no event and no
//! answer, and doubles none but by `redelivered`. Tokens are as good as the connection; the final answer has it all.
//!
//! | module | what lives there |
//! |---|---|
//! | `hear`, `say` | frames, read and written |
//! | `desk` | what an agent has and has not answered: pure |
//! | `registry`, `token`, `directory` | who is registered, what proves it, and where that is kept |
//! | `submit`, `end` | an event's way into the log, and out of it |
//! | `app`, `answers`, `agent`, `agent_work` | connections |
//! | `inside` | an app that lives in the broker itself |
//! | `hub`, `bus` | connections of this node, and word between nodes |
//! | `conversation` | which threads go on |
//! | `audit` | what happened, without content |
//! | `keeper` | what has to be done now and then |

mod admin;
mod agent;
mod agent_work;
mod answers;
mod app;
mod audit;
mod bus;
mod conversation;
mod desk;
mod directory;
mod door;
mod end;
mod hear;
mod hub;
mod id;
mod inner;
mod inside;
mod intake;
mod keeper;
mod limits;
mod record;
mod refusal;
mod registry;
mod say;
mod start;
mod submit;
mod token;

pub(crate) use admin::{AgentBody, AppBody};
pub(crate) use directory::RegistrationError;
pub(crate) use door::{Door, handshake_token};
pub(crate) use inside::{Inside, NoAnswer};
pub(crate) use intake::{Intake, Waiting, intake};
pub(crate) use registry::rotate;
pub(crate) use say::PING;

pub use bus::{Alone, Bus, News, Tell};
pub use id::{AgentId, AppId, BadName, ConnectionId, EventId, NodeId};
pub use limits::BridgeLimits;
pub use registry::{Agent, App, KeptToken, Offline, Registry};
pub use start::{Bridge, BridgeConfig, Stores};
pub use token::{NewToken, Party, TokenError, TokenHash, TokenKey};
