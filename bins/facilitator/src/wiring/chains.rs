//! Chains, connected.

use super::store::Store;
use crate::config::{Chain as Written, File};
use crate::failure::Failure;
use std::sync::Arc;
use tollwire_exact::evm::PrivateKey;
use tollwire_ledger::{Clock, SystemClock};
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_settlement::dev::DevChain;
use tollwire_settlement::{Chain, ChainInfo};
use tollwire_settlement_evm::{EvmChain, EvmConfig};

/// Connects every chain of a file.
pub(crate) async fn connect(
    file: &Loaded<File>,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Chain>>, Failure> {
    let mut chains: Vec<Arc<dyn Chain>> = Vec::new();
    for written in &file.value.chain {
        match written {
            Written::Dev => chains.push(Arc::new(DevChain::new(Arc::clone(clock)))),
            Written::Evm(evm) => {
                let key = evm.settlement_key.read(&file.base)?;
                let mut config = EvmConfig::new(evm.network, evm.rpc_url.resolve()?, key.expose());
                config.pay_to.clone_from(&evm.pay_to);
                config.confirmations = evm.confirmations;
                config.usdc_per_coin = evm.usdc_per_coin;
                config.turn_lease = file.value.limits.settlement_lease.0;
                if !store.alone {
                    config.lease = Some(Arc::clone(&store.ledger));
                }
                chains.push(Arc::new(EvmChain::connect(config).await.map_err(Failure::start)?));
            }
        }
    }
    Ok(chains)
}

/// What the chains of a file are, as far as the file tells: reads the settlement keys, contacts nothing.
pub(crate) fn described(file: &Loaded<File>) -> Result<Vec<ChainInfo>, Error> {
    let all = file.value.chain.iter();
    all.map(|written| match written {
        Written::Dev => Ok(DevChain::new(Arc::new(SystemClock)).info().clone()),
        Written::Evm(evm) => {
            let key = evm.settlement_key.read(&file.base)?;
            let key = PrivateKey::from_hex(key.expose()).map_err(|error| Error::Secret {
                key: evm.settlement_key.to_string(),
                reason: error.to_string(),
            })?;
            let asset = tollwire_x402::asset::usdc(evm.network);
            Ok(ChainInfo {
                network: evm.network,
                claim: evm.network.v1_name().unwrap_or_default().to_owned(),
                asset: asset.map(|asset| asset.address.to_owned()).unwrap_or_default(),
                offer_extra: tollwire_x402::v2::Extra::default(),
                deposit_wallet: evm.pay_to.clone().unwrap_or_else(|| key.address().to_string()),
            })
        }
    })
    .collect()
}
