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

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_ledger::Timestamp;

    /// Made by `createSIWxPayload` and `encodeSIWxHeader` of `@x402/extensions` 2.27.0 with the key `0x07` x 32.
    const OFFICIAL: &str = concat!(
        "eyJkb21haW4iOiJwYXkuZXhhbXBsZTo0MDIwIiwiYWRkcmVzcyI6IjB4NGE2MjMxNjYyM2FkNDU3RjAyY0RDNUQ5OTdkZUQ2N2EzODNF",
        "QzU2OSIsInN0YXRlbWVudCI6IlNpZ24gaW4gdG8gY29sbGVjdCB0aGUgc2Vzc2lvbiB5b3UgaGF2ZSBwYWlkIGZvci4iLCJ1cmkiOiJo",
        "dHRwOi8vcGF5LmV4YW1wbGU6NDAyMC9mZWVkcy90aWNrcy9zZXNzaW9uIiwidmVyc2lvbiI6IjEiLCJjaGFpbklkIjoiZWlwMTU1Ojg0",
        "NTMyIiwidHlwZSI6ImVpcDE5MSIsIm5vbmNlIjoiNmI0OWQyMDAwMTAyMDMwNGExYjJjM2Q0ZTVmNjA3MTgiLCJpc3N1ZWRBdCI6IjIw",
        "MjctMDEtMTVUMDg6MDA6MDAuMDAwWiIsImV4cGlyYXRpb25UaW1lIjoiMjAyNy0wMS0xNVQwODowNTowMC4wMDBaIiwicmVzb3VyY2Vz",
        "IjpbImh0dHA6Ly9wYXkuZXhhbXBsZTo0MDIwL2ZlZWRzL3RpY2tzL3Nlc3Npb24iXSwic2lnbmF0dXJlIjoiMHhhMzMzNTMzNjljZTJl",
        "YmYzMjg0NTA3ZDY3NzA4MzkxNzI4ZGI2ZTk2ZGJhNzY5ZGYxNTZiY2E5OWY1NTNmYTY1MmVjZjRlZTk2YjdlZjg3Yzg4NWUwNGNkNmRl",
        "NzgyMDY0YTU4N2YwODcwNjE5MmJlNDY1NWRmZmRhZmNiNzQ5NDFjIn0=",
    );

    #[test]
    fn an_official_clients_sign_in_is_its_own() {
        let mut challenge = Challenge {
            domain: "pay.example:4020".into(),
            uri: "http://pay.example:4020/feeds/ticks/session".into(),
            nonce: "6b49d20001020304a1b2c3d4e5f60718".into(),
            issued: Timestamp::from_millis(1_800_000_000_000),
        };
        let sign_in = SignIn::decode(OFFICIAL.as_bytes()).unwrap();
        assert_eq!(sign_in.nonce(), challenge.nonce);
        let signer = sign_in.signer(&challenge);
        assert_eq!(signer.as_deref(), Some("0x4a62316623ad457F02cDC5D997deD67a383EC569"));
        challenge.issued = Timestamp::from_millis(1_800_000_001_000);
        assert_eq!(sign_in.signer(&challenge), None, "another challenge, another message");
    }
}
