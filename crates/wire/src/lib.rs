//! WebSocket data paths: what happens to a connection after its 101.
//!
//! A proxied WebSocket is two byte streams with frame headers in them. [`Pump`] moves both streams and reads
//! only the headers ([`FrameScanner`]): it never masks, unmasks, decodes, buffers a message or changes a payload
//! byte, so extensions (permessage-deflate) and subprotocols work end to end. Because it knows where frames and
//! messages end, it can end a stream politely at any moment ([`Control`]), enforce size and rate limits
//! ([`Limits`]), and say exactly how a stream ended ([`Report`]).
//!
//! It can also serve only what is paid for ([`Allowance`]: messages, wire bytes or time), put messages of its own
//! between the upstream's ([`Control::say`]), and take the agent's control messages out of its bytes ([`Inbox`]);
//! only for the last are the first bytes of text payloads looked at. A stream that uses none of it pays for none.
//!
//! ```text
//!   agent ──masked frames──▶ Lane(interceptor?, scanner, allowance?, spill) ──▶ upstream
//!   agent ◀── Lane(scanner, allowance?, said, spill) ◀──unmasked frames── upstream
//! ```
//!
//! It is **not** a WebSocket library: handshakes belong to the HTTP layer above, and an endpoint that reads
//! messages wants a message API.
//!
//! Specification: RFC 6455, sections 5 (framing) and 7 (closing).

mod allowance;
mod close;
mod control;
mod header;
mod inbox;
mod limits;
mod pump;
mod report;
mod said;
mod scan;
mod tally;
mod transport;

pub mod socket;
pub mod tls;

pub use allowance::{Allowance, Counted, Measure};
pub use close::{Close, CloseFrame};
pub use control::Control;
pub use inbox::{Heard, HeardReceiver, Inbox};
pub use limits::Limits;
pub use pump::Pump;
pub use report::{End, Report, Side, Traffic};
pub use scan::{FrameScanner, Scan, Stop, Until, Violation};
pub use transport::Transport;
