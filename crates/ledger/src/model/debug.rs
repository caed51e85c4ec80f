//! `Debug` of what holds secrets: a signature or a signed transaction can be submitted by whoever reads it, and a
//! proof's hash tells whether a guess is right. A log shows that they are there, never what they are.

use super::{Attempt, Intent};
use std::fmt;

/// Stands for a secret.
struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that a new field has to be decided on.
        let Self {
            session,
            feed,
            unit,
            units,
            amount,
            tariff,
            network,
            chain,
            asset,
            payer,
            pay_to,
            quote,
            claim,
            valid_before,
            payload: _,
            balance_ttl_ms,
            plain,
            top_up,
            jkt,
            provider,
        } = self;
        f.debug_struct("Intent")
            .field("session", session)
            .field("feed", feed)
            .field("unit", unit)
            .field("units", units)
            .field("amount", amount)
            .field("tariff", tariff)
            .field("network", network)
            .field("chain", chain)
            .field("asset", asset)
            .field("payer", payer)
            .field("pay_to", pay_to)
            .field("quote", &quote.map(|_| Redacted))
            .field("claim", &claim.map(|_| Redacted))
            .field("valid_before", valid_before)
            .field("payload", &Redacted)
            .field("balance_ttl_ms", balance_ttl_ms)
            .field("plain", plain)
            .field("top_up", top_up)
            .field("jkt", jkt)
            .field("provider", provider)
            .finish()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tx, raw: _, signer, nonce, at } = self;
        f.debug_struct("Attempt")
            .field("tx", tx)
            .field("raw", &Redacted)
            .field("signer", signer)
            .field("nonce", nonce)
            .field("at", at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fate, Payment};
    use crate::{Command, Timestamp};
    use tollwire_x402::{Network, Unit, Usdc};

    #[test]
    fn no_secret_is_shown() {
        let intent = Intent {
            session: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff".parse().unwrap(),
            feed: "ticks".parse().unwrap(),
            unit: Unit::Stream,
            units: 1,
            amount: Usdc::from_atomic(10_000).unwrap(),
            tariff: 1,
            network: Network::BASE_SEPOLIA,
            chain: "dev".into(),
            asset: "0xa".into(),
            payer: "0xb".into(),
            pay_to: "0xc".into(),
            quote: Some([171; 32]),
            claim: Some([205; 32]),
            valid_before: 1,
            payload: r#"{"signature":"0x5ec2e7"}"#.into(),
            balance_ttl_ms: 1,
            plain: false,
            top_up: false,
            jkt: None,
            provider: None,
        };
        let attempt = Attempt {
            tx: "0x77".into(),
            raw: vec![239, 239, 239],
            signer: "0xd".into(),
            nonce: Some(3),
            at: Timestamp::from_millis(5),
        };
        let payment = Payment {
            intent: intent.clone(),
            recorded: Timestamp::from_millis(4),
            attempts: vec![attempt],
            fate: Fate::Pending,
            gone: false,
        };
        let record = Command::Record {
            payment: "eip155:84532/0xa/0xb/0xc".parse().unwrap(),
            intent: Box::new(intent),
        };
        for shown in [format!("{payment:?}"), format!("{payment:#?}"), format!("{record:?}")] {
            for secret in ["5ec2e7", "signature", "171", "205", "239"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            assert!(shown.contains("[redacted]") && shown.contains("0xb"), "{shown}");
        }
    }
}
