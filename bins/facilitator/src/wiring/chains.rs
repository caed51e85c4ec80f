//! Chains, connected.

use super::solana;
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
use tollwire_settlement_evm::{EvmChain, EvmConfig, Finality};

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
                let mut keys = Vec::with_capacity(evm.settlement_keys.len());
                for key in &evm.settlement_keys {
                    keys.push(key.read(&file.base)?);
                }
                let mut keys = keys.iter().map(tollwire_ops::secret::Secret::expose);
                let main = keys.next().unwrap_or_default();
                let mut config = EvmConfig::new(evm.network, evm.rpc_url.resolve()?, main);
                config.more_keys = keys.map(str::to_owned).collect();
                config.batch_max = evm.batch_max;
                config.final_depth = evm.final_depth;
                config.factories.clone_from(&evm.factories);
                if evm.finalized {
                    config.finality = Finality::Finalized;
                }
                config.pay_to.clone_from(&evm.pay_to);
                config.confirmations = evm.confirmations;
                config.usdc_per_coin = evm.usdc_per_coin;
                config.turn_lease = file.value.limits.settlement_lease.0;
                if !store.alone {
                    config.lease = Some(Arc::clone(&store.ledger));
                }
                chains.push(Arc::new(EvmChain::connect(config).await.map_err(Failure::start)?));
            }
            Written::Solana(written) => chains.push(solana::connect(file, written).await?),
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
            let mut accounts = Vec::new();
            for written in &evm.settlement_keys {
                let key = PrivateKey::from_hex(written.read(&file.base)?.expose());
                let invalid = |error: tollwire_exact::evm::Error| Error::Secret {
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
        Written::Solana(written) => solana::described(file, written),
    })
    .collect()
}
