#![doc = include_str!("../README.md")]

mod algorithm;
mod cache;
mod claims;
mod control;
pub mod dpop;
mod error;
mod issuer;
mod json;
mod jws;
mod key;
mod key_set;
mod reader;
mod receipt;
mod stream;
mod verifier;

pub use algorithm::Algorithm;
pub use claims::{Claims, SESSION_SECS_MAX, SESSION_TYPE};
pub use control::{CONTROL_NAME_MAX, CONTROL_SECS_MAX, CONTROL_TYPE, ControlClaims, ControlMessage};
pub use error::Error;
pub use issuer::Issuer;
pub use jws::TOKEN_BYTES_MAX;
pub use key::{Pem, SigningKey};
pub use key_set::{JWKS_BYTES_MAX, KEYS_MAX, KeySet};
pub use receipt::{RECEIPT_TYPE, ReceiptClaims};
pub use stream::{STREAM_SECS_MAX, STREAM_TYPE, StreamClaims};
pub use verifier::{CACHE_TOKENS, LEEWAY_MAX, Verifier};
