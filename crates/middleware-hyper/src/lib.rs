#![doc = include_str!("../README.md")]

mod future;
mod gate;
mod pre_auth;

pub use future::AnswerFuture;
pub use gate::{Gated, gate};
pub use pre_auth::{PreAuthed, pre_auth};
pub use tollwire_middleware::{
    Accept, AnswerBody, FeedGate, PreAuthLayer, SessionContext, Verifier, VerifyError, install,
    verify_session_token,
};
