//! The provider's own pre-auth route: the agent pays where the feed lives, the facilitator does the work.
//!
//! The route forwards to the facilitator's `GET /feeds/{feed}/session`. Only the headers of the payment travel, in
//! both x402 dialects; the agent's other headers stay here.

mod forward;
mod future;
mod layer;
mod purchase;
mod service;

pub use future::ResponseFuture;
pub use layer::{Answer, PreAuthLayer};
pub use purchase::Purchase;
pub use service::PreAuth;
