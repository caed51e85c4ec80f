//! The wallet, and how much of its money may go.

use crate::cli::Cli;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tollwire_exact::evm::{Authorization, Domain, Payload, PrivateKey};
use tollwire_ops::secret::SecretRef;
use tollwire_x402::{Network, Usdc, header};

/// Signs payments up to a maximum.
pub(crate) struct Purse {
    key: PrivateKey,
    max: Usdc,
    spent: Usdc,
    networks: Vec<Network>,
}

/// A payment that was signed.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    /// The scheme's payload.
    pub(crate) payload: Value,
    pub(crate) offer: Value,
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Bytes that nobody used before.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| "no randomness from the system")?;
    Ok(bytes)
}

impl Purse {
    pub(crate) fn open(cli: &Cli) -> Result<Self, String> {
        let key = if cli.key == "random" {
            PrivateKey::from_bytes(&random()?)
        } else {
            let place: SecretRef = cli.key.parse().map_err(|reason| format!("--key: {reason}"))?;
            let text = place.read(Path::new(".")).map_err(|error| error.to_string())?;
            PrivateKey::from_hex(text.expose())
        };
        let networks = match cli.network.as_slice() {
            [] => vec![Network::BASE, Network::BASE_SEPOLIA],
            some => some.to_vec(),
        };
        let key = key.map_err(|error| format!("--key: {error}"))?;
        Ok(Self { key, max: cli.max, spent: Usdc::ZERO, networks })
    }

    pub(crate) fn address(&self) -> String {
        self.key.address().to_string()
    }

    /// What was signed away.
    pub(crate) fn spent(&self) -> Usdc {
        self.spent
    }

    fn left(&self) -> Usdc {
        self.max.checked_sub(self.spent).unwrap_or(Usdc::ZERO)
    }

    /// Of the v2 offers those that can be paid, cheapest first.
    pub(crate) fn affordable(&self, bill: &Value) -> Vec<Value> {
        let offers = bill["accepts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut fit: Vec<(Usdc, Value)> = offers
            .iter()
            .filter(|offer| offer["scheme"] == "exact" && self.pays_on(offer))
            .filter_map(|offer| Some((amount(offer)?, offer.clone())))
            .filter(|(amount, _)| *amount <= self.left())
            .collect();
        fit.sort_by_key(|(amount, _)| *amount);
        fit.into_iter().map(|(_, offer)| offer).collect()
    }

    /// The largest offer that takes at most a third of what is left, else the cheapest: many rules want some units, and
    /// some want another payment.
    pub(crate) fn generous(&self, bill: &Value) -> Option<Value> {
        let third = self.left().atomic() / 3;
        let fit = self.affordable(bill);
        let large =
            fit.iter().rev().find(|offer| amount(offer).is_some_and(|amount| amount.atomic() <= third));
        large.or(fit.first()).cloned()
    }

    fn pays_on(&self, offer: &Value) -> bool {
        let network: Option<Network> = offer["network"].as_str().and_then(|text| text.parse().ok());
        network.is_some_and(|network| network.chain_id().is_some() && self.networks.contains(&network))
    }

    /// Signs an offer; from then on its amount is spent.
    pub(crate) fn pay(&mut self, offer: &Value) -> Result<Payment, String> {
        let amount = amount(offer).ok_or("an offer without an amount")?;
        let spent = self.spent.checked_add(amount).filter(|sum| *sum <= self.max);
        let spent = spent.ok_or_else(|| format!("{amount} more would pass --max"))?;
        let payment = Payment { payload: self.sign(offer, amount)?, offer: offer.clone() };
        self.spent = spent;
        Ok(payment)
    }

    /// What looks like a payment and was signed for another nonce: it moves no money.
    pub(crate) fn forge(&self, offer: &Value) -> Result<Payment, String> {
        let amount = amount(offer).ok_or("an offer without an amount")?;
        let mut payload = self.sign(offer, amount)?;
        payload["authorization"]["nonce"] = json!(format!("0x{}", hex::encode(random::<32>()?)));
        Ok(Payment { payload, offer: offer.clone() })
    }

    fn sign(&self, offer: &Value, amount: Usdc) -> Result<Value, String> {
        let text = |name: &str| offer[name].as_str().ok_or_else(|| format!("an offer without {name}"));
        let network: Network = text("network")?.parse().map_err(|error| format!("{error}"))?;
        let extra = |name: &str| {
            let value = offer["extra"][name].as_str();
            value.map(str::to_owned).ok_or_else(|| format!("an offer without extra.{name}"))
        };
        let domain = Domain {
            name: extra("name")?,
            version: extra("version")?,
            chain_id: network.chain_id().ok_or("not an EVM network")?,
            contract: text("asset")?.parse().map_err(|error| format!("asset: {error}"))?,
        };
        let seconds = offer["maxTimeoutSeconds"].as_u64().ok_or("an offer without maxTimeoutSeconds")?;
        let authorization = Authorization {
            from: self.key.address(),
            to: text("payTo")?.parse().map_err(|error| format!("payTo: {error}"))?,
            value: amount,
            valid_after: 0,
            valid_before: now().saturating_add(seconds),
            nonce: random()?,
        };
        let signature = authorization.sign(&self.key, &domain).map_err(|error| error.to_string())?;
        Ok(Payload::new(authorization, &signature).to_json())
    }
}

/// An offer's amount.
pub(crate) fn amount(offer: &Value) -> Option<Usdc> {
    Usdc::parse_atomic(offer["amount"].as_str()?).ok()
}

impl Payment {
    /// As a v2 message that echoes what the bill said.
    pub(crate) fn v2(&self, bill: &Value) -> Value {
        let mut message = self.v2_alone();
        message["resource"] = bill["resource"].clone();
        message["extensions"] = bill["extensions"].clone();
        message
    }

    /// As a v2 message without anything that proves who sends it.
    pub(crate) fn v2_alone(&self) -> Value {
        json!({ "x402Version": 2, "accepted": self.offer, "payload": self.payload })
    }

    /// As a v1 message.
    pub(crate) fn v1(&self, network: &str) -> Value {
        json!({ "x402Version": 1, "scheme": "exact", "network": network, "payload": self.payload })
    }
}

/// A message as a header.
pub(crate) fn as_header(message: &Value) -> Result<String, String> {
    header::encode(message).map_err(|error| error.to_string())
}
