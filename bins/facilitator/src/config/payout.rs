//! `[payout]`.

use super::File;
use serde::Deserialize;
use std::time::Duration;
use tollwire_ops::config::Loaded;
use tollwire_ops::duration::HumanDuration;
use tollwire_x402::Usdc;

/// How providers are paid out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Payout {
    /// Whether this node pays by itself; `facilitator payouts run` and the admin API pay in any case.
    pub(crate) enabled: bool,
    /// Time between two rounds, of all nodes together.
    pub(crate) every: HumanDuration,
    /// Dollars that must be due to a provider.
    pub(crate) threshold: String,
    /// Who bears the gas of the transfer.
    pub(crate) gas: GasBearer,
}

/// `gas`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GasBearer {
    /// The operator.
    #[default]
    Operator,
    /// What it is estimated to cost is withheld.
    Provider,
}

impl Default for Payout {
    fn default() -> Self {
        Self {
            enabled: true,
            every: HumanDuration(Duration::from_secs(24 * 3600)),
            threshold: "10.00".to_owned(),
            gas: GasBearer::default(),
        }
    }
}

/// Rules of `[payout]`.
pub(super) fn validate(file: &Loaded<File>) -> Result<(), tollwire_ops::Error> {
    let payout = &file.value.payout;
    if payout.every.0 < Duration::from_secs(1) {
        return Err(file.error("payout.every", "at least 1s"));
    }
    match payout.threshold.parse::<Usdc>() {
        Ok(_) => Ok(()),
        Err(error) => Err(file.error("payout.threshold", error.to_string())),
    }
}
