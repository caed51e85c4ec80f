#![doc = include_str!("../README.md")]

mod future;
mod service;

pub use future::GatedFuture;
pub use service::{Gated, gate};
pub use tollwire_middleware::{
    Accept, AnswerBody, FeedGate, PreAuthLayer, SessionContext, Verifier, VerifyError, install,
    verify_session_token,
};
