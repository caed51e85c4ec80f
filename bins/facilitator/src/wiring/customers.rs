//! Whom the facilitator serves, from a configuration file.

use crate::config::{Chain, CustomerLimits, File};
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::{Account, AccountId, Customers, KeyHash};
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_settlement::{Allowlist, LocalFacilitator, Settler, Terms};

/// Everybody's terms, before there is anything that settles.
#[derive(Debug, Clone)]
pub(crate) struct Clientele {
    keyless: Option<Terms>,
    accounts: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    id: AccountId,
    key: KeyHash,
    suspended: bool,
    terms: Terms,
}

impl Clientele {
    /// Everybody on the dev chain, nobody elsewhere.
    pub(crate) fn dev_only() -> Self {
        Self { keyless: Some(Terms::of(Allowlist::dev_only())), accounts: Vec::new() }
    }

    /// As a file says; reads the hashes of keys.
    pub(crate) fn of(file: &Loaded<File>) -> Result<Self, Error> {
        let api = &file.value.facilitator;
        let dev = file.value.chain.iter().any(|chain| matches!(chain, Chain::Dev));
        let mut accounts = Vec::new();
        for account in &api.account {
            let hash = account.key_hash.read(&file.base)?;
            let unreadable =
                |rule: &str| Error::Secret { key: account.key_hash.to_string(), reason: rule.to_owned() };
            let assets = account.assets.clone();
            accounts.push(Member {
                id: account.id.clone(),
                key: hash.expose().parse().map_err(unreadable)?,
                suspended: account.suspended,
                terms: terms(Allowlist { assets, ..served(&account.pay_to) }, &account.limits),
            });
        }
        let keyless = api.serves_keyless(dev).then(|| terms(served(&api.pay_to), &api.limits));
        Ok(Self { keyless, accounts })
    }

    /// Served by one settler; a request waits for its settlement's outcome at most `wait`.
    pub(crate) fn served_by(self, settler: &Arc<Settler>, wait: Duration) -> Customers {
        let anybody =
            LocalFacilitator::with_terms(Arc::clone(settler), self.keyless.clone().unwrap_or_default())
                .with_wait(wait);
        let accounts: Vec<Account> = self
            .accounts
            .into_iter()
            .map(|member| Account {
                facilitator: Arc::new(anybody.for_account(member.id.as_str(), member.terms)),
                id: member.id,
                key: member.key,
                suspended: member.suspended,
            })
            .collect();
        let first = match self.keyless {
            Some(_) => Customers::keyless(Arc::new(anybody)),
            None => Customers::with_keys(),
        };
        accounts.into_iter().fold(first, Customers::and)
    }
}

fn served(pay_to: &[String]) -> Allowlist {
    match pay_to {
        [] => Allowlist::dev_only(),
        some => Allowlist::of(some.to_vec()),
    }
}

fn terms(allowlist: Allowlist, limits: &CustomerLimits) -> Terms {
    Terms {
        allowlist,
        requests: limits.requests(),
        requests_per_payer: limits.payer_requests(),
        settles_per_day: limits.settles_per_day,
        gas_per_day: limits.gas_per_day,
        gas_per_payer_per_day: limits.gas_per_payer_per_day,
        minimum: limits.minimum,
    }
}
