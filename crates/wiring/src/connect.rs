//! Chains, connected.

use crate::{Chain as Written, Error, EvmChain as WrittenEvm, solana};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tollwire_exact::evm::PrivateKey;
use tollwire_ledger::{Clock, Ledger, SystemClock};
use tollwire_settlement::dev::DevChain;
use tollwire_settlement::{Chain, ChainInfo};
use tollwire_settlement_evm::{EvmChain, EvmConfig, Finality};

/// How processes that share a settlement key take turns.
#[derive(Clone)]
pub struct Lease {
    /// How long a turn lasts if nobody ends it.
    pub turn: Duration,
    /// Where turns are kept; `None` if no other process settles by the same keys.
    pub kept_in: Option<Arc<dyn Ledger>>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("turn", &self.turn).finish_non_exhaustive()
    }
}

/// Connects chains; their keys' paths start from `base`.
pub async fn connect(
    chains: &[Written],
    base: &Path,
    lease: &Lease,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Chain>>, Error> {
    let mut connected: Vec<Arc<dyn Chain>> = Vec::new();
    for written in chains {
        connected.push(match written {
            Written::Dev => Arc::new(DevChain::new(Arc::clone(clock))),
            Written::Evm(written) => evm(written, base, lease).await?,
            Written::Solana(written) => solana::connect(written, base).await?,
        });
    }
    Ok(connected)
}

async fn evm(written: &WrittenEvm, base: &Path, lease: &Lease) -> Result<Arc<dyn Chain>, Error> {
    let mut keys = Vec::with_capacity(written.settlement_keys.len());
    for key in &written.settlement_keys {
        keys.push(key.read(base)?);
    }
    let mut keys = keys.iter().map(tollwire_ops::secret::Secret::expose);
    let main = keys.next().unwrap_or_default();
    let mut config = EvmConfig::new(written.network, written.rpc_url.resolve()?, main);
    config.more_keys = keys.map(str::to_owned).collect();
    config.batch_max = written.batch_max;
    config.final_depth = written.final_depth;
    config.factories.clone_from(&written.factories);
    if written.finalized {
        config.finality = Finality::Finalized;
    }
    config.pay_to.clone_from(&written.pay_to);
    config.confirmations = written.confirmations;
    config.usdc_per_coin = written.usdc_per_coin;
    config.turn_lease = lease.turn;
    config.lease.clone_from(&lease.kept_in);
    Ok(Arc::new(EvmChain::connect(config).await.map_err(Error::start)?))
}

/// What chains are, as far as the file tells: reads the settlement keys, contacts nothing.
pub fn described(chains: &[Written], base: &Path) -> Result<Vec<ChainInfo>, tollwire_ops::Error> {
    let all = chains.iter();
    all.map(|written| match written {
        Written::Dev => Ok(DevChain::new(Arc::new(SystemClock)).info().clone()),
        Written::Evm(evm) => {
            let mut accounts = Vec::new();
            for written in &evm.settlement_keys {
                let key = PrivateKey::from_hex(written.read(base)?.expose());
                let invalid = |error: tollwire_exact::evm::Error| tollwire_ops::Error::Secret {
                    key: written.to_string(),
                    reason: error.to_string(),
                };
                accounts.push(key.map_err(invalid)?.address().to_string());
            }
            let main = accounts.into_iter().next().unwrap_or_default();
            let asset = tollwire_x402::asset::usdc(evm.network);
            Ok(ChainInfo {
                network: evm.network,
                claim: evm.network.v1_name().unwrap_or_default().to_owned(),
                asset: asset.map(|asset| asset.address.to_owned()).unwrap_or_default(),
                offer_extra: tollwire_x402::v2::Extra::default(),
                deposit_wallet: evm.pay_to.clone().unwrap_or(main),
            })
        }
        Written::Solana(written) => solana::described(written, base),
    })
    .collect()
}
