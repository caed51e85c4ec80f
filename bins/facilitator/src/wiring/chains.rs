//! Chains, connected.

use super::store::Store;
use crate::config::{Chain as Written, File};
use crate::failure::Failure;
use std::sync::Arc;
use tollwire_ledger::Clock;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_ops::secret::{Secret, SecretRef};
use tollwire_settlement::Chain;
use tollwire_settlement::dev::DevChain;
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
                if !store.alone {
                    config.lease = Some(Arc::clone(&store.ledger));
                }
                chains.push(Arc::new(EvmChain::connect(config).await.map_err(Failure::start)?));
            }
        }
    }
    Ok(chains)
}

/// Reads every settlement key and checks its form; contacts nothing.
pub(crate) fn settlement_keys(file: &Loaded<File>) -> Result<(), Error> {
    for written in &file.value.chain {
        if let Written::Evm(evm) = written {
            let key: Secret = evm.settlement_key.read(&file.base)?;
            check_key(&evm.settlement_key, &key)?;
        }
    }
    Ok(())
}

fn check_key(reference: &SecretRef, key: &Secret) -> Result<(), Error> {
    tollwire_exact::evm::PrivateKey::from_hex(key.expose())
        .map(drop)
        .map_err(|error| Error::Secret { key: reference.to_string(), reason: error.to_string() })
}
