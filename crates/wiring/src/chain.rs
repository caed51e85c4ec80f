//! `[[chain]]`.

use serde::{Deserialize, Deserializer};
use tollwire_ops::config::MaybeEnv;
use tollwire_ops::secret::SecretRef;
use tollwire_x402::{Network, SolanaCluster, Usdc};

/// One chain.
#[derive(Debug, Clone)]
pub enum Chain {
    /// In this process, with play money.
    Dev,
    /// A real EVM chain.
    Evm(Box<EvmChain>),
    /// A Solana cluster.
    Solana(Box<SolanaChain>),
}

/// An EVM chain.
#[derive(Debug, Clone)]
pub struct EvmChain {
    /// Its network.
    pub network: Network,
    /// JSON-RPC endpoint; `env:NAME` where it holds an access key.
    pub rpc_url: MaybeEnv,
    /// The keys that pay for gas; the first one's account, unless `pay_to` says otherwise, receives deposits.
    pub settlement_keys: Vec<SecretRef>,
    /// Deposit wallet.
    pub pay_to: Option<String>,
    /// Blocks on top of a receipt before it counts; 1 is the receipt's own block.
    pub confirmations: u64,
    /// Whether it counts only in a block that the chain holds for final.
    pub finalized: bool,
    /// Blocks on top of it until no reorganisation is expected to take it away.
    pub final_depth: u64,
    /// The most payments that settle in one transaction.
    pub batch_max: usize,
    /// Factories whose wallets may be deployed with their first payment.
    pub factories: Vec<String>,
    /// What one whole coin of the chain's own currency costs, to book gas in USDC.
    pub usdc_per_coin: Usdc,
}

/// A Solana cluster.
#[derive(Debug, Clone)]
pub struct SolanaChain {
    /// Which one.
    pub cluster: SolanaCluster,
    /// JSON-RPC endpoint; `env:NAME` where it holds an access key.
    pub rpc_url: MaybeEnv,
    /// The fee payer's key; unless `deposit_key` or `pay_to` say otherwise, its wallet receives deposits.
    pub settlement_key: SecretRef,
    /// The deposit wallet's key, for refunds.
    pub deposit_key: Option<SecretRef>,
    /// Deposit wallet.
    pub pay_to: Option<String>,
    /// When a deposit counts.
    pub finalized: bool,
    /// What one SOL costs, to book fees in USDC.
    pub usdc_per_coin: Usdc,
    /// Lamports that one payment may cost us.
    pub fee_max: u64,
    /// Lamports per hour that failed payments may cost us.
    pub failed_fees_max: u64,
    /// Whether a refund may create the payer's token account.
    pub refund_creates_account: bool,
    /// The genesis hash of a cluster that is none of the public ones.
    pub genesis: Option<String>,
}

impl Chain {
    /// The network it settles on.
    pub fn network(&self) -> Network {
        match self {
            Self::Dev => Network::BASE_SEPOLIA,
            Self::Evm(evm) => evm.network,
            Self::Solana(solana) => solana.network(),
        }
    }
}

impl SolanaChain {
    /// The network it settles on.
    pub fn network(&self) -> Network {
        Network::Solana(self.cluster)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    kind: Option<String>,
    network: Option<Network>,
    rpc_url: Option<MaybeEnv>,
    settlement_key: Option<SecretRef>,
    #[serde(rename = "settlement_keys")]
    pool: Option<Vec<SecretRef>>,
    pay_to: Option<String>,
    usdc_per_coin: Option<String>,
    // EVM alone, and `pool`.
    confirmations: Option<u64>,
    finality: Option<String>,
    final_depth: Option<u64>,
    batch_max: Option<usize>,
    factories: Option<Vec<String>>,
    // Solana alone.
    deposit_key: Option<SecretRef>,
    commitment: Option<String>,
    fee_max: Option<u64>,
    failed_fees_max: Option<u64>,
    refund_creates_account: Option<bool>,
    genesis: Option<String>,
}

impl Keys {
    fn has_evms(&self) -> bool {
        self.pool.is_some()
            || self.confirmations.is_some()
            || self.finality.is_some()
            || self.final_depth.is_some()
            || self.batch_max.is_some()
            || self.factories.is_some()
    }

    fn has_solanas(&self) -> bool {
        self.deposit_key.is_some()
            || self.commitment.is_some()
            || self.fee_max.is_some()
            || self.failed_fees_max.is_some()
            || self.refund_creates_account.is_some()
            || self.genesis.is_some()
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_keys(Keys::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Chain {
    fn from_keys(keys: Keys) -> Result<Self, String> {
        let bare = keys.network.is_none()
            && keys.rpc_url.is_none()
            && keys.settlement_key.is_none()
            && keys.pool.is_none();
        match keys.kind.as_deref() {
            Some("dev") if bare => return Ok(Self::Dev),
            Some("dev") => {
                return Err("kind = \"dev\" stands instead of network, rpc_url and settlement_key".into());
            }
            Some(_) => return Err("kind is \"dev\", or left out".into()),
            None => {}
        }
        let network =
            keys.network.ok_or("network is missing; write a CAIP-2 identifier such as eip155:8453")?;
        match network {
            Network::Eip155(_) if keys.has_solanas() => Err(
                "deposit_key, commitment, fee_max, failed_fees_max, refund_creates_account and genesis are for Solana"
                    .into(),
            ),
            Network::Solana(_) if keys.has_evms() => Err(
                "settlement_keys, confirmations, finality, final_depth, batch_max and factories are for EVM chains"
                    .into(),
            ),
            Network::Eip155(_) => Self::evm(keys, network),
            Network::Solana(cluster) => Self::solana(keys, cluster),
        }
    }

    fn solana(keys: Keys, cluster: SolanaCluster) -> Result<Self, String> {
        if !cfg!(feature = "solana") {
            return Err("this build does not settle on Solana; build it with the feature solana".into());
        }
        let rate = keys.usdc_per_coin.as_deref().unwrap_or("200");
        Ok(Self::Solana(Box::new(SolanaChain {
            cluster,
            rpc_url: keys.rpc_url.ok_or("rpc_url is missing")?,
            settlement_key: keys
                .settlement_key
                .ok_or("settlement_key is missing; write env:NAME or file:PATH")?,
            deposit_key: keys.deposit_key,
            pay_to: keys.pay_to,
            finalized: match keys.commitment.as_deref() {
                None | Some("confirmed") => false,
                Some("finalized") => true,
                Some(_) => return Err("commitment is \"confirmed\" or \"finalized\"".into()),
            },
            usdc_per_coin: rate.parse().map_err(|error| format!("usdc_per_coin: {error}"))?,
            fee_max: keys.fee_max.unwrap_or(50_000),
            failed_fees_max: keys.failed_fees_max.unwrap_or(20_000_000),
            refund_creates_account: keys.refund_creates_account.unwrap_or(true),
            genesis: keys.genesis,
        })))
    }

    fn evm(keys: Keys, network: Network) -> Result<Self, String> {
        if tollwire_x402::asset::usdc(network).is_none() {
            return Err(format!(
                "no USDC contract is known on {network}; eip155:8453 and eip155:84532 have one"
            ));
        }
        let rate = keys.usdc_per_coin.as_deref().unwrap_or("3000");
        Ok(Self::Evm(Box::new(EvmChain {
            network,
            rpc_url: keys.rpc_url.ok_or("rpc_url is missing")?,
            settlement_keys: match (keys.settlement_key, keys.pool) {
                (Some(key), None) => vec![key],
                (None, Some(keys)) if !keys.is_empty() => keys,
                (None, _) => return Err("settlement_key is missing; write env:NAME or file:PATH".into()),
                (Some(_), Some(_)) => return Err("write settlement_key or settlement_keys, not both".into()),
            },
            pay_to: keys.pay_to,
            confirmations: match keys.confirmations {
                Some(0) => return Err("confirmations is at least 1".into()),
                given => given.unwrap_or(1),
            },
            finalized: match keys.finality.as_deref() {
                None | Some("confirmations") => false,
                Some("finalized") if keys.confirmations.is_none() => true,
                Some("finalized") => {
                    return Err("with finality = \"finalized\" confirmations count nothing".into());
                }
                Some(_) => return Err("finality is \"confirmations\" or \"finalized\"".into()),
            },
            final_depth: keys.final_depth.unwrap_or(64),
            batch_max: match keys.batch_max {
                Some(count) if !(1..=100).contains(&count) => return Err("batch_max is 1 to 100".into()),
                given => given.unwrap_or(50),
            },
            factories: keys.factories.unwrap_or_default(),
            usdc_per_coin: rate.parse().map_err(|error| format!("usdc_per_coin: {error}"))?,
        })))
    }
}
