//! Sign-in by the payer's wallet: x402's `sign-in-with-x` extension (CAIP-122; on EVM the EIP-4361 message under an
//! EIP-191 signature), as a proof of possession for a payment made before.
//!
//! The challenge is ours and stateless: its nonce authenticates the time and the feed, and works once, for
//! [`CHALLENGE_TTL`]. The message that must have been signed is rebuilt from our own fields alone; of the client's
//! header only address, network, nonce and signature are read. Contract wallets cannot sign in: their signatures
//! need the chain, and quote or claim serve them.

mod challenge;
mod message;

pub use challenge::{Challenge, ChallengeKey};

use crate::error::Error;
use serde::Deserialize;
use std::time::Duration;
use tollwire_exact::evm;
use tollwire_x402::{Network, header};

/// How long a challenge can be answered.
pub const CHALLENGE_TTL: Duration = Duration::from_mins(5);

/// The extension's key in x402 messages.
pub const EXTENSION: &str = "sign-in-with-x";

/// The sentence a wallet shows above the fields.
pub const STATEMENT: &str = "Sign in to collect the session you have paid for.";

/// A signed challenge as presented; nothing in it is trusted.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    address: String,
    chain_id: String,
    nonce: String,
    signature: String,
}

impl SignIn {
    /// Reads `SIGN-IN-WITH-X`.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        Ok(header::decode(header::SIGN_IN_WITH_X, value)?)
    }

    /// The nonce it answers.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Who signed `challenge`: the address, if the signature over the rebuilt message is its own.
    pub(crate) fn signer(&self, challenge: &Challenge) -> Option<String> {
        let network: Network = self.chain_id.parse().ok()?;
        let text = message::eip4361(challenge, &self.address, network.chain_id()?);
        let claimed: evm::Address = self.address.parse().ok()?;
        let signature = hex::decode(self.signature.strip_prefix("0x")?).ok()?;
        let signer = evm::recover_message(text.as_bytes(), &signature).ok()?;
        (signer == claimed).then(|| signer.to_string())
    }
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn(..)")
    }
}
