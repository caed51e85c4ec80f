//! Payouts: what goes to a provider, gathered from sessions, by which transactions, and whether it arrived.

use super::{Attempt, Landing, Outgoing, payer_key};
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tollwire_x402::{Error, Network, Usdc};

/// A provider's wallet on one network: what is paid out together. Written as in CAIP-10, `eip155:8453:0x...`, and ordered
/// as that text is. EVM addresses are the same in any case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderAccount {
    text: Box<str>,
    network: Network,
}

impl ProviderAccount {
    /// The longest wallet address, in bytes.
    pub const WALLET_BYTES_MAX: usize = 128;

    /// The account of a wallet; an error if this cannot be one.
    pub fn new(network: Network, wallet: &str) -> Result<Self, Error> {
        let printable = wallet.bytes().all(|b| b.is_ascii_alphanumeric());
        if !printable || wallet.is_empty() || wallet.len() > Self::WALLET_BYTES_MAX {
            return Err(Error::Id {
                field: "provider account",
                rule: "a network and a wallet, as in CAIP-10",
            });
        }
        Ok(Self { text: format!("{network}:{}", payer_key(wallet)).into(), network })
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it is paid.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The wallet, EVM addresses in lower case.
    pub fn wallet(&self) -> &str {
        self.text.rsplit(':').next().unwrap_or_default()
    }
}

impl fmt::Display for ProviderAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ProviderAccount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (network, wallet) = text.rsplit_once(':').ok_or(Error::Network)?;
        Self::new(network.parse()?, wallet)
    }
}

/// Names a payout: whose, and which of them it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayoutId {
    /// Whose.
    pub account: ProviderAccount,
    /// From 1.
    pub number: u32,
}

impl fmt::Display for PayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.number)
    }
}

/// A provider's account: its payouts, and what was gathered for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Payouts so far, the one that is being gathered included.
    pub payouts: u32,
    /// Whether the last of them is still being gathered.
    pub gathering: bool,
    /// What was gathered, all payouts together.
    pub gathered: Usdc,
}

/// Who pays whom; the same for every part of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutOrder {
    /// Asset contract or mint.
    pub asset: String,
    /// Our deposit wallet, which pays.
    pub from: String,
    /// The provider's wallet, which is paid.
    pub to: String,
}

/// A payout. What was gathered for it is gone from the sessions; whether the money has moved is its fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    /// Who pays whom.
    pub order: PayoutOrder,
    /// When its first part was gathered.
    pub opened: Timestamp,
    /// What was gathered.
    pub gathered: Usdc,
    /// In how many parts.
    pub parts: u64,
    /// What of it is withheld for the gas of sending; known when it is sealed.
    pub gas: Usdc,
    /// When it was sealed: nothing is added from then on.
    pub sealed: Option<Timestamp>,
    /// Transactions made for it, oldest first; at most [`Outgoing::ATTEMPTS_MAX`]. Of them no two can both land.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub fate: PayoutFate,
}

/// Where a payout stands. One that is sealed is owed, and stays pending until it was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayoutFate {
    /// Sessions are asked for what is due.
    Gathering,
    /// Sealed, and not known to have arrived.
    Pending,
    /// The money is with the provider.
    Paid(Landing),
}

impl Payout {
    /// What the provider is sent.
    pub fn amount(&self) -> Usdc {
        self.gathered.checked_sub(self.gas).unwrap_or(Usdc::ZERO)
    }

    /// The transfer that it is.
    pub fn outgoing(&self, network: Network) -> Outgoing {
        Outgoing {
            network,
            asset: self.order.asset.clone(),
            from: self.order.from.clone(),
            to: self.order.to.clone(),
            amount: self.amount(),
            ordered: self.sealed.unwrap_or(self.opened),
            attempts: self.attempts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_in_any_spelling_of_its_wallet() {
        let account =
            ProviderAccount::new(Network::BASE, "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A").unwrap();
        assert_eq!(account.as_str(), "eip155:8453:0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a");
        assert_eq!(account.as_str().parse(), Ok(account.clone()));
        assert_eq!(account.wallet(), "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a");
        for bad in ["", "0x{a}", "a b", "a/b"] {
            assert!(ProviderAccount::new(Network::BASE, bad).is_err(), "{bad:?}");
        }
        let mainnet = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:7YttLkHDoNj9wyDur5pM1ejNaAvT9X4eqaYcHQqtj2G5";
        assert_eq!(mainnet.parse::<ProviderAccount>().unwrap().as_str(), mainnet);
    }
}
