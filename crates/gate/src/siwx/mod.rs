//! Sign-in by the payer's wallet: x402's `sign-in-with-x` extension (CAIP-122; on EVM the EIP-4361 message under an
//! EIP-191 signature, on Solana the like message under an Ed25519 signature), as a proof of possession for a payment
//! made before.
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
use tollwire_exact::{evm, solana};
use tollwire_x402::{Network, header};

/// How long a challenge can be answered.
pub const CHALLENGE_TTL: Duration = Duration::from_mins(5);

/// The extension's key in x402 messages.
pub const EXTENSION: &str = "sign-in-with-x";

/// The sentence a wallet shows that signs in to a session.
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

    /// Whether this payer signed `challenge`. `payer` is an address as the ledger keeps it.
    pub fn is_by(&self, challenge: &Challenge, payer: &str) -> bool {
        let Ok(network) = self.chain_id.parse::<Network>() else { return false };
        self.signer_on(network, challenge).is_some_and(|signer| same_account(network, &signer, payer))
    }

    /// Who signed `challenge`.
    pub(crate) fn signer(&self, challenge: &Challenge) -> Option<String> {
        self.signer_on(self.chain_id.parse().ok()?, challenge)
    }

    /// Who signed `challenge`: the address, if the signature over the rebuilt message is its own.
    fn signer_on(&self, network: Network, challenge: &Challenge) -> Option<String> {
        match network {
            Network::Eip155(chain) => {
                let text = message::caip122(challenge, "Ethereum", &self.address, &chain.to_string());
                let claimed: evm::Address = self.address.parse().ok()?;
                let signature = hex::decode(self.signature.strip_prefix("0x")?).ok()?;
                let signer = evm::recover_message(text.as_bytes(), &signature).ok()?;
                (signer == claimed).then(|| signer.to_string())
            }
            Network::Solana(_) => {
                let (_, reference) = self.chain_id.split_once(':')?;
                let text = message::caip122(challenge, "Solana", &self.address, reference);
                let claimed: solana::Address = self.address.parse().ok()?;
                let signature: solana::Signature = self.signature.parse().ok()?;
                claimed.verify_message(text.as_bytes(), &signature).ok()?;
                Some(claimed.to_string())
            }
        }
    }
}

/// Whether two texts name one account: hex has two cases, base58 has one.
fn same_account(network: Network, a: &str, b: &str) -> bool {
    match network {
        Network::Eip155(_) => a.eq_ignore_ascii_case(b),
        Network::Solana(_) => a == b,
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

    /// Likewise, with a Solana wallet: the Ed25519 seed `0x07` x 32.
    const OFFICIAL_SOLANA: &str = concat!(
        "eyJkb21haW4iOiJwYXkuZXhhbXBsZTo0MDIwIiwiYWRkcmVzcyI6IkdtYURycHBCQzdQNUFSS1Y4ZzNkaml3UDg5dnoxakxLMjNWMkdC",
        "anVBRUdCIiwic3RhdGVtZW50IjoiU2lnbiBpbiB0byBjb2xsZWN0IHRoZSBzZXNzaW9uIHlvdSBoYXZlIHBhaWQgZm9yLiIsInVyaSI6",
        "Imh0dHA6Ly9wYXkuZXhhbXBsZTo0MDIwL2ZlZWRzL3RpY2tzL3Nlc3Npb24iLCJ2ZXJzaW9uIjoiMSIsImNoYWluSWQiOiJzb2xhbmE6",
        "RXRXVFJBQlphWXE2aU1mZVlLb3VSdTE2NlZVMnhxYTEiLCJ0eXBlIjoiZWQyNTUxOSIsIm5vbmNlIjoiNmI0OWQyMDAwMTAyMDMwNGEx",
        "YjJjM2Q0ZTVmNjA3MTgiLCJpc3N1ZWRBdCI6IjIwMjctMDEtMTVUMDg6MDA6MDAuMDAwWiIsImV4cGlyYXRpb25UaW1lIjoiMjAyNy0w",
        "MS0xNVQwODowNTowMC4wMDBaIiwicmVzb3VyY2VzIjpbImh0dHA6Ly9wYXkuZXhhbXBsZTo0MDIwL2ZlZWRzL3RpY2tzL3Nlc3Npb24i",
        "XSwic2lnbmF0dXJlIjoiNXFKcDl0Q29oeG9lSmsxUWQxNWdBTWhrTFV6WHA1cWM3RjNpblhWZEpTYWVrRHk0NlR1RTZUNmpmUnlWNFpk",
        "ZTkxWW5ZcWlzS0tVTkhqOFlOYjNjN3ZLYyJ9",
    );

    fn challenge() -> Challenge {
        Challenge {
            domain: "pay.example:4020".into(),
            uri: "http://pay.example:4020/feeds/ticks/session".into(),
            nonce: "6b49d20001020304a1b2c3d4e5f60718".into(),
            issued: Timestamp::from_millis(1_800_000_000_000),
            statement: STATEMENT,
        }
    }

    #[test]
    fn an_official_clients_sign_in_is_its_own() {
        for (official, payer, other) in [
            (
                OFFICIAL,
                "0x4A62316623AD457F02CDC5D997DED67A383EC569",
                "0x4a62316623ad457F02cDC5D997deD67a383EC568",
            ),
            (
                OFFICIAL_SOLANA,
                "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB",
                // The same letters in another case are another account.
                "gmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB",
            ),
        ] {
            let sign_in = SignIn::decode(official.as_bytes()).unwrap();
            let mut challenge = challenge();
            assert_eq!(sign_in.nonce(), challenge.nonce);
            assert!(sign_in.is_by(&challenge, payer));
            assert!(!sign_in.is_by(&challenge, other));
            challenge.issued = Timestamp::from_millis(1_800_000_001_000);
            assert!(!sign_in.is_by(&challenge, payer), "another challenge, another message");
        }
    }

    #[test]
    fn a_solana_wallet_signs_for_itself_alone() {
        let (payer, thief) =
            (solana::PrivateKey::from_bytes(&[1; 32]), solana::PrivateKey::from_bytes(&[2; 32]));
        let (mainnet, devnet) = ("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "EtWTRABZaYq6iMfeYKouRu166VU2xqa1");
        let (challenge, address) = (challenge(), payer.address().to_string());
        let text =
            |account, address: &str, reference| message::caip122(&challenge, account, address, reference);
        let honest = payer.sign_message(text("Solana", &address, mainnet).as_bytes()).to_string();
        let is_by_payer = |address: &str, chain: &str, signature: &str| {
            let (address, chain_id) = (address.to_owned(), chain.to_owned());
            let nonce = challenge.nonce.clone();
            SignIn { address, chain_id, nonce, signature: signature.to_owned() }
                .is_by(&challenge, &payer.address().to_string())
        };
        let chain = format!("solana:{mainnet}");
        assert!(is_by_payer(&address, &chain, &honest));
        let stolen = thief.sign_message(text("Solana", &address, mainnet).as_bytes()).to_string();
        let own_text = text("Solana", &thief.address().to_string(), mainnet);
        let own = thief.sign_message(own_text.as_bytes()).to_string();
        let ethereum = payer.sign_message(text("Ethereum", &address, mainnet).as_bytes()).to_string();
        let hex = format!("0x{}", hex::encode(honest.parse::<solana::Signature>().unwrap().as_bytes()));
        for (case, address, chain, signature) in [
            ("a thief for the payer", address.as_str(), chain.as_str(), &stolen),
            ("a thief for itself", &thief.address().to_string(), &chain, &own),
            ("another cluster", &address, &format!("solana:{devnet}"), &honest),
            ("a chain of another kind", &address, "eip155:8453", &honest),
            ("an unknown cluster", &address, "solana:x", &honest),
            ("no chain", &address, "", &honest),
            ("a message for another kind of account", &address, &chain, &ethereum),
            ("a signature in hex", &address, &chain, &hex),
            ("no signature", &address, &chain, &String::new()),
            ("no address", "", &chain, &honest),
        ] {
            assert!(!is_by_payer(address, chain, signature), "{case}");
        }
    }

    #[test]
    fn a_challenge_offers_each_network_its_kind_of_signature() {
        let networks =
            ["eip155:8453", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"].map(|name| name.parse().unwrap());
        assert_eq!(
            challenge().extension(&networks)["supportedChains"],
            serde_json::json!([
                {"chainId": "eip155:8453", "type": "eip191"},
                {"chainId": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "type": "ed25519"},
            ])
        );
    }
}
