//! Payments as they arrive: which dialect, what is claimed, and what proves that the payer sent them.

mod intake;
mod proof;

pub use intake::Presented;
pub(crate) use intake::single;
pub use proof::{Claim, Proofs};
pub use tollwire_x402::Dialect;
