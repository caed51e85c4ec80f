//! Solana, where it is built in.

use crate::{Error, SolanaChain as Written};
use std::path::Path;
use std::sync::Arc;
use tollwire_exact::solana::PrivateKey;
use tollwire_ops::secret::SecretRef;
use tollwire_settlement::{Chain, ChainInfo};

/// Connects one cluster.
#[cfg(feature = "solana")]
pub(super) async fn connect(written: &Written, base: &Path) -> Result<Arc<dyn Chain>, Error> {
    use tollwire_settlement_solana::{Commitment, SolanaChain, SolanaConfig};

    let key = written.settlement_key.read(base)?;
    let mut config = SolanaConfig::new(written.cluster, written.rpc_url.resolve()?, key.expose());
    if let Some(deposit_key) = &written.deposit_key {
        config.deposit_key = Some(deposit_key.read(base)?.expose().to_owned());
    }
    config.pay_to.clone_from(&written.pay_to);
    config.genesis.clone_from(&written.genesis);
    if written.finalized {
        config.commitment = Commitment::Finalized;
    }
    config.usdc_per_sol = written.usdc_per_coin;
    config.fee_max = written.fee_max;
    config.failed_fees_max = written.failed_fees_max;
    config.refund_creates_account = written.refund_creates_account;
    Ok(Arc::new(SolanaChain::connect(config).await.map_err(Error::start)?))
}

/// A file that names one is refused by such a build when it is read.
#[cfg(not(feature = "solana"))]
pub(super) async fn connect(written: &Written, _base: &Path) -> Result<Arc<dyn Chain>, Error> {
    std::future::ready(Err(Error::start(format!("{} is not built in", written.network())))).await
}

/// What a cluster is, as far as the file tells: reads the keys, contacts nothing.
pub(super) fn described(written: &Written, base: &Path) -> Result<ChainInfo, tollwire_ops::Error> {
    let wallet = |key: &SecretRef| {
        let text = key.read(base)?;
        let wrong = |error: tollwire_exact::solana::Error| tollwire_ops::Error::Secret {
            key: key.to_string(),
            reason: error.to_string(),
        };
        PrivateKey::from_text(text.expose()).map(|key| key.address().to_string()).map_err(wrong)
    };
    let fee_payer = wallet(&written.settlement_key)?;
    let deposit = written.deposit_key.as_ref().map(wallet).transpose()?;
    let network = written.network();
    Ok(ChainInfo {
        network,
        claim: network.v1_name().map_or_else(|| network.to_string(), str::to_owned),
        asset: tollwire_x402::asset::usdc(network).map(|asset| asset.address.to_owned()).unwrap_or_default(),
        offer_extra: tollwire_x402::v2::Extra::default(),
        deposit_wallet: written.pay_to.clone().or(deposit).unwrap_or(fee_payer),
    })
}
