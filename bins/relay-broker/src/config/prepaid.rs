//! `[prepaid]`, and what accounts need beside it.

use super::File;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_ops::config::Loaded;
use tollwire_ops::duration::HumanDuration;
use tollwire_x402::{Network, Usdc};

/// `[prepaid]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prepaid {
    /// Deposits on offer in USDC, largest first.
    #[serde(default = "default_deposits")]
    pub(crate) deposits: Vec<String>,
    /// Who earns what accounts use, per network.
    #[serde(default)]
    pub(crate) pay_to: BTreeMap<Network, String>,
    /// How long an unspent balance is kept.
    #[serde(default = "default_balance_ttl")]
    pub(crate) balance_ttl: HumanDuration,
}

impl Default for Prepaid {
    fn default() -> Self {
        Self { deposits: default_deposits(), pay_to: BTreeMap::new(), balance_ttl: default_balance_ttl() }
    }
}

fn default_deposits() -> Vec<String> {
    ["10", "1", "0.1"].map(str::to_owned).to_vec()
}

const fn default_balance_ttl() -> HumanDuration {
    HumanDuration(Duration::from_hours(30 * 24))
}

/// Rules that span accounts and chains.
pub(super) fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let value = &file.value;
    if value.prepaid.is_some() && value.token.is_none() {
        return Err(file.error("prepaid", "accounts are known by tokens: write [token]"));
    }
    if value.token.is_some() && value.chain.is_empty() {
        return Err(file.error("token", "accounts are paid into here: write [[chain]] blocks"));
    }
    deposits(file).map(drop)
}

/// The deposits of a file.
pub(crate) fn deposits(file: &Loaded<File>) -> Result<Vec<Usdc>, tollwire_ops::Error> {
    let written = file.value.prepaid.clone().unwrap_or_default().deposits;
    let read = |text: &String| {
        let parsed = text.parse::<Usdc>();
        parsed.map_err(|error| file.error("prepaid.deposits", format!("{text}: {error}")))
    };
    written.iter().map(read).collect()
}
