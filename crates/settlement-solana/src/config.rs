//! What a Solana chain is configured with; every bound with its default.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::{Clock, SystemClock};
use tollwire_x402::{SolanaCluster, Usdc};

/// When a transfer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commitment {
    /// Two thirds of the stake have voted for its block: about a second. No such block was ever taken back.
    Confirmed,
    /// Its block can no longer be taken back: about thirteen seconds.
    Finalized,
}

impl Commitment {
    /// As JSON-RPC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Finalized => "finalized",
        }
    }
}

/// Configuration of one Solana cluster.
#[derive(Clone)]
pub struct SolanaConfig {
    /// The cluster.
    pub cluster: SolanaCluster,
    /// The node's JSON-RPC URL, `http` or `https`. May hold an access key: it is never logged.
    pub rpc_url: String,
    /// Private key of the fee payer, as wallets export it: base58 of 64 bytes, or a JSON array of numbers.
    pub settlement_key: String,
    /// Our deposit wallet. Default: `deposit_key`'s, or the fee payer's.
    pub pay_to: Option<String>,
    /// Private key of the deposit wallet, which pays refunds. Default: the settlement key.
    pub deposit_key: Option<String>,
    /// The mint that is paid in, a dollar token of six decimals. Default: the cluster's USDC.
    pub asset: Option<String>,
    /// The cluster's genesis hash, where it is not that of the public cluster: a local validator. Default: the public one.
    pub genesis: Option<String>,
    /// When a transfer counts. Default: confirmed.
    pub commitment: Commitment,
    /// What one SOL costs, to book fees in USDC. Default $200.
    pub usdc_per_sol: Usdc,
    /// Signatures paid for in one payment, ours included. Default 2: ours and the payer's.
    pub signatures_max: usize,
    /// Compute units paid for at most. Default 200,000; the official client writes 20,000, and wallets add assertions.
    pub compute_units_max: u32,
    /// Micro-lamports paid per compute unit at most. Default 5,000,000, as the reference facilitator.
    pub compute_price_max: u64,
    /// Lamports that one payment may cost us in all. Default 50,000, which is a cent at $200.
    pub fee_max: u64,
    /// Lamports of fees for transactions that failed on chain, per hour, before payments are put off: whoever makes
    /// them fail pays nothing. Default 20,000,000: at least four hundred.
    pub failed_fees_max: u64,
    /// What refunds bid per compute unit, in micro-lamports. Default 1,000.
    pub refund_price: u64,
    /// Whether a refund may create the payer's token account if it was closed: rent, which the refund is charged with.
    /// Default true.
    pub refund_creates_account: bool,
    /// Below this many lamports the fee payer's balance is warned of. Default 50,000,000: about 5,000 payments.
    pub balance_low: u64,
    /// How long one request to the node may take. Default 10 s.
    pub request_timeout: Duration,
    /// Where attempts take their time from. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
}

impl SolanaConfig {
    /// The defaults.
    pub fn new(
        cluster: SolanaCluster,
        rpc_url: impl Into<String>,
        settlement_key: impl Into<String>,
    ) -> Self {
        Self {
            cluster,
            rpc_url: rpc_url.into(),
            settlement_key: settlement_key.into(),
            pay_to: None,
            deposit_key: None,
            asset: None,
            genesis: None,
            commitment: Commitment::Confirmed,
            usdc_per_sol: Usdc::from_atomic(200_000_000).unwrap_or_default(),
            signatures_max: 2,
            compute_units_max: 200_000,
            compute_price_max: 5_000_000,
            fee_max: 50_000,
            failed_fees_max: 20_000_000,
            refund_price: 1_000,
            refund_creates_account: true,
            balance_low: 50_000_000,
            request_timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for SolanaConfig {
    /// Without URL and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SolanaConfig")
            .field("cluster", &self.cluster)
            .field("pay_to", &self.pay_to)
            .field("commitment", &self.commitment)
            .finish_non_exhaustive()
    }
}
