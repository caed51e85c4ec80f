//! The HTTP faces of the gate: [`GateService`] for agents and providers, [`AdminService`] for the operator.
//!
//! Both are tower services over any request body. They read a request, call the [`Gate`](crate::Gate), and put the outcome into
//! words; nothing is decided here. The caller's address is expected as a [`std::net::IpAddr`] extension of the
//! request, put there by whoever accepted the connection; without it only the common caps apply.

mod admin;
mod admin_token;
mod answer;
mod bill;
mod body;
mod close;
mod cors;
mod credentials;
mod facilitator;
mod feeds;
mod jwks;
mod online;
mod openapi;
mod problem;
mod receipt;
mod route;
mod service;
mod session;
mod settlement;
mod top_up;
mod ws;

pub use admin::{AdminService, RenderMetrics};
pub use admin_token::AdminToken;
pub use answer::{Answer, Problem, json, of_type};
pub use bill::account_bill;
pub use body::{BODY_BYTES_MAX, BODY_WAIT};
pub(crate) use credentials::Credential;
pub(crate) use problem::problem;
pub(crate) use route::TOP_UP;
pub use service::GateService;
