//! A tariff: a feed's price frozen into offers, with a version that any node computes alike.

use super::{DEPOSIT_SIZES_MAX, DESCRIPTION_BYTES_MAX, Feed, FeedError};
use sha2::{Digest, Sha256};
use tollwire_exact::evm::Address;
use tollwire_exact::solana;
use tollwire_settlement::ChainInfo;
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{FeedId, Network, Unit, Usdc};

/// One way to buy: a deposit size on one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Units bought.
    pub units: u64,
    /// Where it is paid.
    pub network: Network,
    /// The `chain` claim of the tokens it buys.
    pub chain: String,
    /// The offer as x402 v2 writes it.
    pub requirements: PaymentRequirements,
}

/// All offers of a feed at one price.
#[derive(Debug, Clone, PartialEq)]
pub struct Tariff {
    /// Names this tariff: a hash of its content, so that replicas and restarts agree without storing anything.
    /// Below 2^53.
    pub version: u64,
    /// The feed.
    pub feed: FeedId,
    /// What is counted.
    pub unit: Unit,
    /// Price of one unit.
    pub price: Usdc,
    /// Largest deposit first; within one size, networks in the feed's order.
    pub offers: Vec<Offer>,
}

/// The scheme of all our offers.
pub const SCHEME: &str = "exact";

impl Tariff {
    /// Checks a feed and computes its offers.
    ///
    /// `chains` are the configured chains, `timeout_secs` the offers' `maxTimeoutSeconds`.
    pub fn new(feed: &Feed, chains: &[ChainInfo], timeout_secs: u64) -> Result<Self, FeedError> {
        check(feed)?;
        let mut offers = Vec::new();
        for units in feed.deposit_units.iter().copied() {
            let amount = feed
                .price
                .checked_mul(units)
                .ok_or_else(|| FeedError::field("deposit_units", "price times units is too large"))?;
            for network in &feed.networks {
                let chain = chains.iter().find(|chain| chain.network == *network).ok_or_else(|| {
                    FeedError::field("networks", format!("{network} has no configured chain"))
                })?;
                offers.push(offer(chain, units, amount, timeout_secs));
            }
        }
        check_wallets(feed, chains)?;
        let version = version(feed, &offers);
        Ok(Self { version, feed: feed.id().clone(), unit: feed.unit(), price: feed.price, offers })
    }

    /// The offer of this price on this network; at most one, because sizes differ and prices are not zero.
    pub fn find(&self, network: Network, amount: Usdc) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.network == network && offer.requirements.amount == amount)
    }
}

fn offer(chain: &ChainInfo, units: u64, amount: Usdc, timeout_secs: u64) -> Offer {
    let extra = (!chain.offer_extra.is_empty()).then(|| chain.offer_extra.clone());
    Offer {
        units,
        network: chain.network,
        chain: chain.claim.clone(),
        requirements: PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: chain.network.to_string(),
            amount,
            asset: chain.asset.clone(),
            pay_to: chain.deposit_wallet.clone(),
            max_timeout_seconds: timeout_secs,
            extra,
        },
    }
}

/// One atomic unit.
pub(super) const ATOM: Usdc = match Usdc::from_atomic(1) {
    Some(atom) => atom,
    None => Usdc::MAX,
};

fn check(feed: &Feed) -> Result<(), FeedError> {
    if feed.is_account() {
        if feed.price != ATOM {
            return Err(FeedError::field("price", "an account holds atomic units, each at its own worth"));
        }
    } else {
        feed.route.check().map_err(|error| FeedError::field("upstream", error.to_string()))?;
    }
    if feed.description.len() > DESCRIPTION_BYTES_MAX || feed.description.chars().any(char::is_control) {
        let rule = format!("at most {DESCRIPTION_BYTES_MAX} bytes without control characters");
        return Err(FeedError::field("description", rule));
    }
    if feed.price == Usdc::ZERO {
        return Err(FeedError::field("price", "more than 0"));
    }
    let sizes = &feed.deposit_units;
    let falling = sizes.windows(2).all(|pair| pair.first() > pair.last());
    if sizes.is_empty() || sizes.len() > DEPOSIT_SIZES_MAX || !falling || sizes.contains(&0) {
        let rule = format!("1 to {DEPOSIT_SIZES_MAX} different numbers of at least 1, largest first");
        return Err(FeedError::field("deposit_units", rule));
    }
    let networks = &feed.networks;
    if networks.is_empty() || (1..networks.len()).any(|at| networks[..at].contains(&networks[at])) {
        return Err(FeedError::field("networks", "at least one, each once"));
    }
    Ok(())
}

/// Whoever earns must be payable: an address that can be read, on every network that takes real money.
fn check_wallets(feed: &Feed, chains: &[ChainInfo]) -> Result<(), FeedError> {
    let field = |rule: String| FeedError::field("provider_wallet", rule);
    for (network, wallet) in &feed.provider_wallet {
        if !chains.iter().any(|chain| chain.network == *network) {
            return Err(field(format!("{network} has no configured chain")));
        }
        let readable = match network {
            Network::Eip155(_) => is_evm_address(wallet),
            Network::Solana(_) => wallet.parse::<solana::Address>().is_ok(),
        };
        if !readable {
            return Err(field(format!("write an address of {network}; mixed case must be its checksum")));
        }
    }
    let play_money =
        |network: &Network| chains.iter().any(|chain| chain.network == *network && chain.is_dev());
    match feed.networks.iter().find(|n| !feed.provider_wallet.contains_key(n) && !play_money(n)) {
        Some(network) => Err(field(format!("name the wallet that earns on {network}"))),
        None => Ok(()),
    }
}

/// An address other than zero; letters of both cases are a checksum (EIP-55), which must be right.
fn is_evm_address(text: &str) -> bool {
    let Ok(address) = text.parse::<Address>() else { return false };
    let digits = text.trim_start_matches("0x");
    let one_case = !digits.contains(|c: char| c.is_ascii_uppercase())
        || !digits.contains(|c: char| c.is_ascii_lowercase());
    digits.contains(|c| c != '0') && (one_case || address.to_string() == text)
}

/// The first 53 bits of a hash over everything a payer agrees to: exact in JSON numbers and Redis scripts.
fn version(feed: &Feed, offers: &[Offer]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(format!("{}\n{}\n{}\n", feed.id(), feed.unit(), feed.price.atomic()));
    hash.update(format!("{}\n", super::json::counted_word(feed.route.counted)));
    for offer in offers {
        let terms = &offer.requirements;
        let line = format!(
            "{} {} {} {} {}\n",
            offer.units,
            terms.network,
            terms.amount.atomic(),
            terms.asset,
            terms.pay_to
        );
        hash.update(line);
    }
    let head = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    head >> 11
}
