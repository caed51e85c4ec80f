#![doc = include_str!("../README.md")]

mod extract;
mod rejection;

pub use extract::PaidSession;
pub use rejection::Rejection;
pub use tollwire_middleware::{
    Accept, FeedGate, PreAuthLayer, SessionContext, Verifier, VerifyError, install, verify_session_token,
};
