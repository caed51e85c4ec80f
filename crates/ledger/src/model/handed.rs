//! What leaves a session for its provider.

use serde::{Deserialize, Serialize};
use tollwire_x402::{Network, Usdc};

/// What was taken out of a session for its provider, all hand-overs together: units that were earned, and the money they
/// were paid with. What is left of the deposit is spread over the units that are left. `value == fee + gas + net`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Units, all of them captured or expired.
    pub units: u64,
    /// What they were paid with.
    pub value: Usdc,
    /// What of it is the operator's fee.
    pub fee: Usdc,
    /// What of it pays for the gas of the session's settlements.
    pub gas: Usdc,
    /// What of it is the provider's.
    pub net: Usdc,
}

impl Handed {
    /// Whether the parts add up.
    pub fn adds_up(&self) -> bool {
        let shares = self.fee.checked_add(self.gas).and_then(|sum| sum.checked_add(self.net));
        shares == Some(self.value)
    }
}

/// What is to be handed over, reckoned from a session as it stood; the ledger takes it only while the session stands so.
/// Further captures since do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Units handed over before.
    pub from: u64,
    /// What is handed over in all, this included; more units than `from`.
    pub to: Handed,
    /// The session's units bought, when this was reckoned.
    pub bought: u64,
    /// The session's refunds, when this was reckoned.
    pub refunds: u32,
    /// Where the provider is paid.
    pub network: Network,
    /// The session's provider.
    pub provider: String,
}
