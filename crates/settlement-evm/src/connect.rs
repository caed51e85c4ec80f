//! Connecting: the configuration is read, and the node proves to be what it says.

use crate::account::Pool;
use crate::contract::{Usdc, address};
use crate::dispatch::Outbox;
use crate::multicall::MULTICALL3;
use crate::node::{At, Node};
use crate::prepare::Loners;
use crate::sight::Sights;
use crate::{Error, EvmChain, EvmConfig};
use std::fmt::Display;
use std::sync::atomic::AtomicBool;
use tollwire_exact::evm::{Address, Domain, PrivateKey, Signers};
use tollwire_settlement::{ChainError, ChainInfo};
use tollwire_x402::Network;
use tollwire_x402::v2::Extra;
use zeroize::Zeroizing;

impl EvmChain {
    /// Reads the configuration and asks the node for its chain id and for USDC: code, `name`, `version` and
    /// `DOMAIN_SEPARATOR` must be those that payers sign for. Anything else is refused.
    pub async fn connect(mut config: EvmConfig) -> Result<Self, Error> {
        // The keys live on only where they sign, the URL only in the node: the configuration forgets both.
        let keys = take_keys(&mut config)?;
        let rpc_url = std::mem::take(&mut config.rpc_url);
        let network = config.network;
        let usdc = Domain::usdc(network)
            .ok_or_else(|| wrong("network", format!("no USDC contract is known on {network}")))?;
        let pay_to = config.pay_to.as_deref().map(|text| read_address("pay_to", text)).transpose()?;
        let factories = config.factories.iter().map(|text| read_address("factories", text));
        let factories: Vec<Address> = factories.collect::<Result<_, _>>()?;
        for (key, value) in [("confirmations", config.confirmations), ("log_blocks", config.log_blocks)] {
            if value == 0 {
                return Err(wrong(key, "write at least 1".into()));
            }
        }
        let node = Node::new(&rpc_url, config.request_timeout)?;
        examine(&node, &usdc).await?;
        let has_multicall = has_multicall(&node, network).await?;
        let batch_max = if has_multicall { config.batch_max } else { 1 };
        let pool = Pool::new(keys, &config, batch_max)?;
        let signer = pool.main().address;
        let pay_to = pay_to.unwrap_or(signer);
        let info = ChainInfo {
            network,
            claim: network.v1_name().map_or_else(|| network.to_string(), str::to_owned),
            asset: usdc.contract.to_string(),
            offer_extra: offer_extra(&usdc),
            deposit_wallet: pay_to.to_string(),
        };
        tracing::info!(%network, %signer, signers = pool.all().len(), deposit_wallet = %pay_to, "chain connected");
        let factories = factories.iter().map(address).collect();
        let asset_seen = AtomicBool::new(false);
        let (outbox, sights) = (Outbox::default(), Sights::default());
        let (loners, signers) = (Loners::default(), Signers::default());
        Ok(Self {
            info,
            usdc,
            node,
            pool,
            outbox,
            sights,
            loners,
            signers,
            asset_seen,
            has_multicall,
            factories,
            config,
        })
    }
}

fn wrong(key: &'static str, reason: String) -> Error {
    Error::Config { key, reason }
}

/// The settlement keys of a configuration, which forgets them.
fn take_keys(config: &mut EvmConfig) -> Result<Vec<PrivateKey>, Error> {
    let main = Zeroizing::new(std::mem::take(&mut config.settlement_key));
    let more = std::mem::take(&mut config.more_keys);
    let mut keys = Vec::new();
    for (name, text) in std::iter::once(("settlement_key", main))
        .chain(more.into_iter().map(|text| ("settlement_keys", Zeroizing::new(text))))
    {
        keys.push(PrivateKey::from_hex(&text).map_err(|error| wrong(name, error.to_string()))?);
    }
    Ok(keys)
}

fn read_address(key: &'static str, text: &str) -> Result<Address, Error> {
    text.parse().map_err(|error: tollwire_exact::evm::Error| wrong(key, error.to_string()))
}

async fn has_multicall(node: &Node, network: Network) -> Result<bool, Error> {
    let silent =
        |error: ChainError| Error::Unreachable { network: network.to_string(), reason: error.to_string() };
    let stands = !node.code(MULTICALL3).await.map_err(silent)?.is_empty();
    if !stands {
        tracing::info!(%network, "no Multicall3 here; every payment settles in a transaction of its own");
    }
    Ok(stands)
}

fn offer_extra(usdc: &Domain) -> Extra {
    let mut extra = Extra::new();
    extra.insert("name".into(), usdc.name.clone().into());
    extra.insert("version".into(), usdc.version.clone().into());
    extra
}

/// Refuses a node on another chain, or one where USDC is not the contract that payers sign for.
async fn examine(node: &Node, usdc: &Domain) -> Result<(), Error> {
    let network = || format!("eip155:{}", usdc.chain_id);
    let silent = |error: ChainError| Error::Unreachable { network: network(), reason: error.to_string() };
    let same = |what: &str, wanted: &dyn Display, found: &dyn Display| {
        if wanted.to_string() == found.to_string() {
            return Ok(());
        }
        let reason = format!("its {what} is {found}, not {wanted}");
        Err(Error::Unfit { network: network(), reason })
    };
    same("chain id", &usdc.chain_id, &node.chain_id().await.map_err(silent)?)?;
    let contract = address(&usdc.contract);
    if node.code(contract).await.map_err(silent)?.is_empty() {
        let reason = format!("there is no contract at {}, USDC's address", usdc.contract);
        return Err(Error::Unfit { network: network(), reason });
    }
    let name = node.read(contract, &Usdc::nameCall {}, At::Latest).await.map_err(silent)?;
    same("USDC's name", &usdc.name, &name)?;
    let version = node.read(contract, &Usdc::versionCall {}, At::Latest).await.map_err(silent)?;
    same("USDC's version", &usdc.version, &version)?;
    let separator = node.read(contract, &Usdc::DOMAIN_SEPARATORCall {}, At::Latest).await.map_err(silent)?;
    same("USDC's domain separator", &hex::encode(usdc.separator()), &hex::encode(separator))?;
    // The zero address has authorized nothing; a token without EIP-3009 cannot say so.
    let zero =
        Usdc::authorizationStateCall { authorizer: address(&Address::new([0; 20])), nonce: [0; 32].into() };
    node.read(contract, &zero, At::Latest).await.map_err(silent)?;
    Ok(())
}
