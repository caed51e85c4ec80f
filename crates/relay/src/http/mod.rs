//! The faces of the broker: what agents talk to, and what the operator looks at.

mod accounts;
mod admin;
mod answer;
mod apis;
mod body;
mod close_codes;
mod cors;
mod registrations;
mod service;

pub use admin::AdminService;
pub use answer::Answer;
pub use body::Body;
pub use service::RelayService;

pub(crate) use answer::{Problem, json, not_with, nothing_here, of_type};
pub(crate) use cors::{preflight, readable};
