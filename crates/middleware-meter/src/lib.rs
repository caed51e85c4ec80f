#![doc = include_str!("../README.md")]

mod error;
mod meter;
mod stream;
mod tap;

pub use error::{Ended, Refusal};
pub use meter::{Held, Meter, Opening};
pub use stream::MeteredStream;
pub use tollwire_meter::{LiveStreams, MeterConfig, Terms};
