#![doc = include_str!("../README.md")]

mod body;
mod builder;
mod context;
mod error;
mod fetch;
mod gate;
mod install;
mod online;
pub mod pre_auth;
mod refresh;
mod refusal;
mod replay;
mod token;
mod verifier;

pub use body::AnswerBody;
pub use builder::VerifierBuilder;
pub use context::{Grant, SessionContext};
pub use error::Error;
pub use gate::FeedGate;
pub use install::{install, verify_session_token};
pub use online::{OnlineCheck, SessionStatus};
pub use pre_auth::PreAuthLayer;
pub use refusal::VerifyError;
pub use token::{extract_proof, extract_token, strip_token};
pub use verifier::{Accept, Verifier};
