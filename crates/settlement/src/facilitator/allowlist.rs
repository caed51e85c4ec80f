//! Whose payments a facilitator settles.

use crate::{ChainInfo, Refusal};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, reason};

/// Which payees and assets `/verify` and `/settle` serve. `/settle` spends the operator's gas, so on a real chain it
/// serves only those named here; the dev chain serves everybody.
///
/// Our own deposit wallet is never served on a real chain: money sent there buys sessions, by the session route, or
/// nothing at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowlist {
    /// Payees, as the chain writes addresses (EVM: in any case). `None` names nobody, but leaves the dev chain open;
    /// a list binds the dev chain too.
    pub pay_to: Option<Vec<String>>,
    /// Assets. `None` means each chain's USDC.
    pub assets: Option<Vec<String>>,
}

impl Allowlist {
    /// Nobody on real chains, everybody on the dev chain.
    pub const fn dev_only() -> Self {
        Self { pay_to: None, assets: None }
    }

    /// These payees, paid in USDC.
    pub fn of(pay_to: Vec<String>) -> Self {
        Self { pay_to: Some(pay_to), assets: None }
    }

    pub(super) fn check(&self, chain: &ChainInfo, requirements: &PaymentRequirements) -> Result<(), Refusal> {
        let same = |a: &str, b: &str| same_account(chain.network, a, b);
        let named = |list: &[String], account: &str| list.iter().any(|entry| same(entry, account));
        let dev = chain.is_dev();
        if !dev && same(&chain.deposit_wallet, &requirements.pay_to) {
            return Err(not_served("payTo is this facilitator's own deposit wallet; buy a session instead"));
        }
        let payee_served = match &self.pay_to {
            Some(list) => named(list, &requirements.pay_to),
            None => dev,
        };
        if !payee_served {
            return Err(not_served("payTo is not served here; ask the operator to allow it"));
        }
        let asset_served = match &self.assets {
            Some(list) => named(list, &requirements.asset),
            None => same(&chain.asset, &requirements.asset),
        };
        if !asset_served {
            return Err(not_served("asset is not served here; pay in this network's USDC"));
        }
        Ok(())
    }
}

/// EVM addresses are the same in any case; Solana's are not.
fn same_account(network: Network, a: &str, b: &str) -> bool {
    match network {
        Network::Eip155(_) => a.eq_ignore_ascii_case(b),
        Network::Solana(_) => a == b,
    }
}

fn not_served(message: &str) -> Refusal {
    Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, message)
}
