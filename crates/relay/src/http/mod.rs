//! The faces of the broker: what agents talk to, and what the operator looks at.

mod admin;
mod answer;
mod close_codes;
mod service;

pub use admin::{AdminService, RenderMetrics};
pub use answer::Answer;
pub use service::RelayService;

pub(crate) use answer::Problem;
