//! What a broker is made of.

use crate::Limits;
use crate::asp::Asp;
use crate::bridge::Bridge;
use crate::call::{Apis, Payees};
use crate::orchestrator::Orchestrator;
use crate::runtime::Origins;
use crate::store::Rows;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollwire_gate::Gate;
use tollwire_ledger::Clock;
use tollwire_wire::tls::RootsError;
use tollwire_x402::{Facilitator, Network};
use url::Url;

/// What a broker is made of.
#[derive(Default)]
pub struct RelayConfig {
    /// The registered APIs.
    pub apis: Apis,
    /// Which web pages may use it.
    pub origins: Origins,
    /// Bounds and time-outs.
    pub limits: Limits,
    /// The messaging bridge; none if left out.
    pub bridge: Option<Bridge>,
    /// Agent sessions; none if left out.
    pub asp: Option<Asp>,
    /// The orchestrator; none if left out.
    pub orchestrator: Option<Orchestrator>,
    /// Authorities that APIs' certificates may be signed by, beside the public ones (PEM).
    pub roots_pem: Option<String>,
    /// Where it keeps what must outlive it.
    pub rows: Option<Arc<dyn Rows>>,
    /// How calls are paid for that it prices; needs `rows`.
    pub payments: Option<Payments>,
}

/// How calls are paid for.
#[derive(Clone)]
pub struct Payments {
    /// Who verifies and settles.
    pub facilitator: Arc<dyn Facilitator>,
    /// Whether it answers the same payment the same, however often it is asked: a refusal is then the last word even
    /// about a payment that may have been settled before.
    pub remembers: bool,
    /// The URL that agents use.
    pub public_url: Url,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told whom calls pay, whenever that changes.
    pub payees: Option<Payees>,
    /// Wallets that take deposits here, by network: nobody is paid there for a call.
    pub own_wallets: BTreeMap<Network, String>,
    /// Prepaid accounts: sessions of unit `usdc` that this gate sells.
    pub accounts: Option<Arc<Gate>>,
}

impl std::fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayConfig")
            .field("apis", &self.apis)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why a broker cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The extra authorities cannot be used.
    #[error("extra authorities: {0}")]
    Roots(#[from] RootsError),
    /// The orchestrator cannot begin.
    #[error("orchestrator: {0}")]
    Orchestrator(String),
}
