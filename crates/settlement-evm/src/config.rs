//! What an EVM chain is configured with; every bound with its default.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock, Ledger, SystemClock};
use tollwire_x402::{Network, Usdc};

/// Configuration of one EVM chain.
#[derive(Clone)]
pub struct EvmConfig {
    /// The network; one on which x402 names a USDC contract.
    pub network: Network,
    /// The node's JSON-RPC URL, `http` or `https`. May hold an access key: it is never logged.
    pub rpc_url: String,
    /// Private key of the account that sends settlements and pays for their gas: 64 hexadecimal digits.
    pub settlement_key: String,
    /// Keys of further accounts that send settlements. Work goes to whichever account is free; deposits go to the first
    /// one's wallet by default, and refunds come from it. Default: none.
    pub more_keys: Vec<String>,
    /// Our deposit wallet. Default: the settlement account.
    pub pay_to: Option<String>,
    /// When a landing counts. Default: after [`confirmations`](Self::confirmations) blocks.
    pub finality: Finality,
    /// Blocks from a transaction's own to the newest, both counted, before it counts. Default 1: its receipt.
    pub confirmations: u64,
    /// Blocks on top of a landing before it is final: until then it is watched, and not paid out. Counts nothing with
    /// [`Finality::Finalized`]. Default 64.
    pub final_depth: u64,
    /// Blocks on top of one that shows an authorization expired, before it counts as dead: a reorganisation could
    /// bring a block with an earlier time in its place. Default 10.
    pub expiry_depth: u64,
    /// What one whole coin of the chain's own currency (10^18 wei) costs, to book gas in USDC. Default $3000.
    pub usdc_per_coin: Usdc,
    /// Gas limit of a settlement; what needs more fails its simulation. Default 300,000 (a transfer from an
    /// ordinary account takes about 105,000; contract wallets more).
    pub gas_limit: u64,
    /// The most payments that settle in one transaction; 1 turns batches off. Payments share one only where they would
    /// otherwise wait for each other. Default 50.
    pub batch_max: usize,
    /// Factories whose wallets may be deployed together with their first payment (ERC-6492). Default: none.
    pub factories: Vec<String>,
    /// A settlement account that pays for fewer transactions than this is reported. Default 100.
    pub low_balance: u32,
    /// The most we pay per gas, in wei. Default 50 gwei.
    pub max_fee_per_gas: u128,
    /// How long one request to the node may take. Default 10 s.
    pub request_timeout: Duration,
    /// How long to wait for the settlement account's turn before answering busy. Default 20 s.
    pub turn_wait: Duration,
    /// How long a turn lasts between processes if its holder dies. Default 15 s; a turn is over in a few round trips.
    pub turn_lease: Duration,
    /// Blocks per log query; nodes refuse ranges they find too large. Default 2,000.
    pub log_blocks: u64,
    /// A ledger whose leases make processes that share this settlement account take turns. Default: none, this
    /// process is alone with it.
    pub lease: Option<Arc<dyn Ledger>>,
    /// Where attempts take their time from. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
}

/// When what a block holds counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// With so many blocks on it: [`EvmConfig::confirmations`].
    Confirmations,
    /// When the chain itself holds it for final (the block tag `finalized`): on a rollup some twenty minutes later.
    Finalized,
}

impl EvmConfig {
    /// The defaults.
    pub fn new(network: Network, rpc_url: impl Into<String>, settlement_key: impl Into<String>) -> Self {
        Self {
            network,
            rpc_url: rpc_url.into(),
            settlement_key: settlement_key.into(),
            more_keys: Vec::new(),
            pay_to: None,
            finality: Finality::Confirmations,
            confirmations: 1,
            final_depth: 64,
            expiry_depth: 10,
            usdc_per_coin: Usdc::from_atomic(3_000_000_000).unwrap_or_default(),
            gas_limit: 300_000,
            batch_max: 50,
            factories: Vec::new(),
            low_balance: 100,
            max_fee_per_gas: 50_000_000_000,
            request_timeout: Duration::from_secs(10),
            turn_wait: Duration::from_secs(20),
            turn_lease: Duration::from_secs(15),
            log_blocks: 2_000,
            lease: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for EvmConfig {
    /// Without URL and key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvmConfig")
            .field("network", &self.network)
            .field("pay_to", &self.pay_to)
            .field("finality", &self.finality)
            .field("confirmations", &self.confirmations)
            .finish_non_exhaustive()
    }
}
