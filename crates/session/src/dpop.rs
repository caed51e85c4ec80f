//! DPoP (RFC 9449): a token that is of use only to the holder of a key.
//!
//! The holder makes a *proof* for each request: a JWT with the public key in its header, signed by that key, which
//! names the request's method and URL, a time, an id of its own and, where a token is presented, that token's hash. A
//! token is bound to a key by `cnf.jkt`, the key's RFC 7638 thumbprint.
//!
//! [`verify`] checks all of that but one thing, which needs a memory and so is **the caller's business: that a proof is
//! used once**. Keep [`Proof::replay_key`] for [`REPLAY_SECS`], and refuse a proof whose key is kept already.
//!
//! ```
//! use tollwire_session::{Algorithm, dpop};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = 1_800_000_000;
//! // The client's side: one key, a proof for each request.
//! let key = dpop::DpopKey::generate(Algorithm::EdDsa)?;
//! let request = dpop::Request::new("GET", "https://pay.example/ws/ticks?control=v1").with_token("a.b.c");
//! let header = key.prove(&request, now, "an id used never before")?;
//! // The server's side, with what it knows of the request itself.
//! let proof = dpop::verify_bound(&header, &request, key.jkt(), now)?;
//! assert_eq!(proof.jti, "an id used never before");
//! # Ok(())
//! # }
//! ```

mod error;
mod header;
mod key;
mod proof;
mod target;

pub use error::Error;
pub use key::DpopKey;
pub use proof::{Proof, Request, verify, verify_bound};

/// The `typ` of a proof.
pub const PROOF_TYPE: &str = "dpop+jwt";

/// The algorithms that proofs are taken in, as `WWW-Authenticate: DPoP algs="..."` names them (RFC 9449 section 7.1).
pub const ALGORITHMS: &str = "EdDSA ES256";

/// The longest proof that is read, in bytes. Ordinary ones have about 500.
pub const PROOF_BYTES_MAX: usize = 4096;

/// The longest `htu`, and the longest URL of a request, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// The longest `jti`, in bytes; it consists of printable ASCII characters.
pub const JTI_BYTES_MAX: usize = 128;

/// How old a proof may be, in seconds.
pub const AGE_SECS_MAX: u64 = 60;

/// How far ahead of our clock a proof's may be, in seconds.
pub const AHEAD_SECS_MAX: u64 = 10;

/// How long a used proof must be remembered, in seconds: the longest time from its first acceptance to its end.
pub const REPLAY_SECS: u64 = AGE_SECS_MAX + AHEAD_SECS_MAX + 1;
