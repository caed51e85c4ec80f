//! Why a stream was not opened, or has to end.

use tollwire_x402::close::CloseCode;

/// Why a stream was not opened. Nothing was charged, whatever the reason.
pub use tollwire_meter::Refusal;

/// The stream has to end: close the WebSocket with this code and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream has to end: {}", .code.reason())]
pub struct Ended {
    /// What to close with: 4008 when the balance is used up, 4001 when the session was revoked, and so on.
    pub code: CloseCode,
}
