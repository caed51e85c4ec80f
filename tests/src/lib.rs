//! What the whole-system tests share: the real binaries under test, a plain HTTP client, an agent's
//! hand-made payments.
//!
//! The tests themselves are the files beside this folder; each is named for what it tries to break.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

pub mod agent;
pub mod api;
pub mod broker;
pub mod facilitator;
pub mod front;
pub mod http;
pub mod raw;
pub mod script;
pub mod settings;
pub mod sign_in;
pub mod solana;
pub mod tollwire;
pub mod world;
pub mod ws;
