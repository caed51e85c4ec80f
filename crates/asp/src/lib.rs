#![doc = include_str!("../README.md")]

mod agent;
mod body;
pub mod canonical;
mod chain;
mod code;
mod draft;
mod envelope;
mod id;
pub mod json;
mod key;
mod machine;
mod performative;
mod proposals;
mod seal;
mod state;
mod table;
mod time;
mod transcript;
mod trust;
mod verify;

pub use agent::{AgentUri, OPERATOR};
pub use chain::Hash;
pub use code::Code;
pub use draft::{Draft, Refused};
pub use envelope::{Envelope, Malformed};
pub use id::{MessageId, SessionId};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use machine::{ESCALATED_MILLIS, INVITED_MILLIS, Machine, Said};
pub use performative::Performative;
pub use seal::{Place, Sealed, Sender, seal};
pub use state::State;
pub use table::{By, Refusal, TRANSITIONS, To, Transition};
pub use time::Millis;
pub use transcript::{Transcript, Unreadable};
pub use trust::TrustScore;
pub use verify::{Defect, Fault, Head, Report, Verifier};

/// The version of the protocol that is spoken, as it stands in envelopes.
pub const VERSION: &str = "asp/0.1";

/// The `type` of the proposal that a session begins with.
pub const INVITATION: &str = "session-invitation";
