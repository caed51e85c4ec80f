//! `[facilitator]`: `/verify` and `/settle` for other people's resource servers.

use super::File;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use tollwire_gate::AccountId;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_ops::secret::SecretRef;
use tollwire_settlement::{Minimum, Rate};
use tollwire_x402::Usdc;

/// Whom we settle for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FacilitatorApi {
    /// Whether requests without a key are served. Left out: if there is somebody to serve that way.
    pub(crate) keyless: Option<bool>,
    /// Wallets we settle for without a key. Empty: none on real chains, all on the dev chain.
    pub(crate) pay_to: Vec<String>,
    /// What whoever comes without a key may use, all together.
    pub(crate) limits: CustomerLimits,
    /// Who has a key.
    pub(crate) account: Vec<Account>,
}

/// `[[facilitator.account]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// Its name.
    #[serde(deserialize_with = "parsed")]
    pub(crate) id: AccountId,
    /// The hash of its key, as `facilitator accounts new` prints it.
    pub(crate) key_hash: SecretRef,
    /// Wallets we settle for. Empty: all on the dev chain; on real chains that is refused.
    #[serde(default)]
    pub(crate) pay_to: Vec<String>,
    /// Assets they are paid in; each chain's USDC when left out.
    pub(crate) assets: Option<Vec<String>>,
    /// Refuse everything it asks for.
    #[serde(default)]
    pub(crate) suspended: bool,
    /// What it may use.
    #[serde(default)]
    pub(crate) limits: CustomerLimits,
}

/// `[facilitator.limits]`, `[facilitator.account.limits]`. What is left out has no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CustomerLimits {
    /// Requests per second in the long run, and at once.
    pub(crate) requests_per_second: Option<NonZeroU32>,
    pub(crate) burst: Option<NonZeroU32>,
    /// The same about one payer.
    pub(crate) payer_requests_per_second: Option<NonZeroU32>,
    pub(crate) payer_burst: Option<NonZeroU32>,
    /// Payments settled per day.
    pub(crate) settles_per_day: Option<u64>,
    /// Dollars that settling may cost in gas per day.
    #[serde(deserialize_with = "maybe_parsed")]
    pub(crate) gas_per_day: Option<Usdc>,
    /// The same for one payer's payments.
    #[serde(deserialize_with = "maybe_parsed")]
    pub(crate) gas_per_payer_per_day: Option<Usdc>,
    /// The smallest payment settled: `auto`, which is more than its gas, or dollars.
    #[serde(deserialize_with = "minimum")]
    pub(crate) minimum: Minimum,
}

impl CustomerLimits {
    pub(crate) fn requests(&self) -> Option<Rate> {
        rate(self.requests_per_second, self.burst)
    }

    pub(crate) fn payer_requests(&self) -> Option<Rate> {
        rate(self.payer_requests_per_second, self.payer_burst)
    }
}

impl FacilitatorApi {
    /// Whether requests without a key are served.
    pub(crate) fn serves_keyless(&self, dev: bool) -> bool {
        self.keyless.unwrap_or(dev || !self.pay_to.is_empty() || self.account.is_empty())
    }
}

/// At once: as many as in a second, if nothing else is said.
fn rate(per_second: Option<NonZeroU32>, burst: Option<NonZeroU32>) -> Option<Rate> {
    per_second.map(|per_second| Rate { per_second, burst: burst.unwrap_or(per_second) })
}

/// Rules that span several keys.
pub(super) fn validate(file: &Loaded<File>, dev: bool) -> Result<(), Error> {
    let api = &file.value.facilitator;
    let mut names = BTreeSet::new();
    for account in &api.account {
        if !names.insert(&account.id) {
            return Err(file.error("facilitator.account.id", format!("{} stands twice", account.id)));
        }
        if account.pay_to.is_empty() && !dev {
            let rule = format!("name the wallets that account {} is paid to", account.id);
            return Err(file.error("facilitator.account.pay_to", rule));
        }
    }
    for limits in api.account.iter().map(|account| &account.limits).chain([&api.limits]) {
        for (burst, rate, key) in [
            (limits.burst, limits.requests_per_second, "burst"),
            (limits.payer_burst, limits.payer_requests_per_second, "payer_burst"),
        ] {
            if burst.is_some() && rate.is_none() {
                let key = format!("facilitator limits.{key}");
                return Err(file.error(&key, "it goes with the rate per second; write that too"));
            }
        }
    }
    Ok(())
}

fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn maybe_parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    parsed(deserializer).map(Some)
}

fn minimum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Minimum, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "auto" => Ok(Minimum::AboveGas),
        dollars => dollars.parse().map(Minimum::Amount).map_err(serde::de::Error::custom),
    }
}
