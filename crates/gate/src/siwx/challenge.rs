//! Challenges that need no memory until they are answered.

use super::CHALLENGE_TTL;
use crate::quote::keyed_hash;
use crate::rfc3339;
use serde_json::{Value, json};
use tollwire_ledger::Timestamp;
use tollwire_x402::{FeedId, Network};

/// Nonce: seconds since the epoch, randomness, tag; 32 hex characters, as the extension asks.
const TIME: usize = 4;
const RANDOM: usize = 4;
const TAG: usize = 8;

/// What a wallet is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Our public host, with the port if it is not the scheme's own.
    pub domain: String,
    /// The resource signed in to.
    pub uri: String,
    /// 32 hex characters.
    pub nonce: String,
    /// When it was made; whole seconds.
    pub issued: Timestamp,
    /// The sentence that a wallet shows above the fields.
    pub statement: &'static str,
}

/// Makes and recognises challenges.
pub struct ChallengeKey([u8; 32]);

impl ChallengeKey {
    /// From 256 bits that all replicas share.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A challenge's nonce for a feed. `random` is fresh.
    pub fn mint(&self, feed: &FeedId, now: Timestamp, random: [u8; RANDOM]) -> String {
        let secs = u32::try_from(now.secs()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(TIME + RANDOM + TAG);
        bytes.extend(secs.to_be_bytes());
        bytes.extend(random);
        bytes.extend(self.tag(feed, &bytes));
        hex::encode(bytes)
    }

    /// When a nonce was made, if we made it for this feed and it is still good at `now`.
    pub fn open(&self, feed: &FeedId, nonce: &str, now: Timestamp) -> Option<Timestamp> {
        let bytes = hex::decode(nonce).ok()?;
        if bytes.len() != TIME + RANDOM + TAG || nonce.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let (said, tag) = bytes.split_at(TIME + RANDOM);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(self.tag(feed, said).as_slice(), tag)) {
            return None;
        }
        let secs = u32::from_be_bytes(said.get(..TIME)?.try_into().ok()?);
        let issued = Timestamp::from_millis(u64::from(secs).saturating_mul(1000));
        (now < issued.after(CHALLENGE_TTL)).then_some(issued)
    }

    fn tag(&self, feed: &FeedId, said: &[u8]) -> [u8; TAG] {
        let full = keyed_hash(&self.0, &[said, feed.as_str().as_bytes()].concat());
        std::array::from_fn(|at| full[at])
    }
}

impl std::fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChallengeKey(..)")
    }
}

impl Challenge {
    /// `issuedAt`.
    pub fn issued_at(&self) -> String {
        rfc3339::millis(self.issued)
    }

    /// `expirationTime`.
    pub fn expires_at(&self) -> String {
        rfc3339::millis(self.issued.after(CHALLENGE_TTL))
    }

    /// The extension object that clients answer, for wallets on these networks.
    pub fn extension(&self, networks: &[Network]) -> Value {
        let chains: Vec<Value> = networks
            .iter()
            .map(|network| {
                let kind = match network {
                    Network::Eip155(_) => "eip191",
                    Network::Solana(_) => "ed25519",
                };
                json!({"chainId": network.to_string(), "type": kind})
            })
            .collect();
        json!({
            "info": {
                "domain": self.domain,
                "uri": self.uri,
                "version": "1",
                "nonce": self.nonce,
                "issuedAt": self.issued_at(),
                "expirationTime": self.expires_at(),
                "statement": self.statement,
                "resources": [self.uri],
            },
            "supportedChains": chains,
            "schema": schema(),
        })
    }
}

fn schema() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let uri = json!({"type": "string", "format": "uri"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "domain": text,
            "address": text,
            "statement": text,
            "uri": uri,
            "version": text,
            "chainId": text,
            "type": text,
            "nonce": text,
            "issuedAt": time,
            "expirationTime": time,
            "resources": {"type": "array", "items": uri},
            "signature": text,
        },
        "required": [
            "domain", "address", "uri", "version", "chainId", "type", "nonce", "issuedAt", "signature"
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_feed_and_its_time() {
        let key = ChallengeKey::new([3; 32]);
        let feed: FeedId = "ticks".parse().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_900);
        let nonce = key.mint(&feed, now, [1, 2, 3, 4]);
        assert_eq!(nonce.len(), 32);
        assert_eq!(key.open(&feed, &nonce, now), Some(Timestamp::from_millis(1_700_000_000_000)));
        assert_eq!(key.open(&"other".parse().unwrap(), &nonce, now), None);
        assert_eq!(key.open(&feed, &nonce, now.after(CHALLENGE_TTL)), None);
        assert_eq!(key.open(&feed, &nonce.to_uppercase(), now), None);
        assert_eq!(ChallengeKey::new([4; 32]).open(&feed, &nonce, now), None);
        for bad in ["", "00", "zz", &"0".repeat(32), &format!("{nonce}00")] {
            assert_eq!(key.open(&feed, bad, now), None, "{bad}");
        }
    }
}
