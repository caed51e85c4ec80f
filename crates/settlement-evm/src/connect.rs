//! Connecting: the configuration is read, and the node proves to be what it says.

use crate::contract::{Usdc, address};
use crate::node::{At, Node};
use crate::send::Lane;
use crate::turn::Turns;
use crate::{Error, EvmChain, EvmConfig};
use std::fmt::Display;
use tollwire_exact::evm::{Address, Domain, PrivateKey};
use tollwire_settlement::{ChainError, ChainInfo};
use tollwire_x402::v2::Extra;
use zeroize::Zeroizing;

impl EvmChain {
    /// Reads the configuration and asks the node for its chain id and for USDC: code, `name`, `version` and
    /// `DOMAIN_SEPARATOR` must be those that payers sign for. Anything else is refused.
    pub async fn connect(mut config: EvmConfig) -> Result<Self, Error> {
        // The key lives on only where it signs, the URL only in the node: the configuration forgets both.
        let settlement_key = Zeroizing::new(std::mem::take(&mut config.settlement_key));
        let rpc_url = std::mem::take(&mut config.rpc_url);
        let network = config.network;
        let wrong = |key, reason: String| Error::Config { key, reason };
        let usdc = Domain::usdc(network)
            .ok_or_else(|| wrong("network", format!("no USDC contract is known on {network}")))?;
        let key = PrivateKey::from_hex(&settlement_key)
            .map_err(|error| wrong("settlement_key", error.to_string()))?;
        let pay_to = match &config.pay_to {
            None => key.address(),
            Some(text) => text
                .parse()
                .map_err(|error: tollwire_exact::evm::Error| wrong("pay_to", error.to_string()))?,
        };
        for (key, value) in [("confirmations", config.confirmations), ("log_blocks", config.log_blocks)] {
            if value == 0 {
                return Err(wrong(key, "write at least 1".into()));
            }
        }
        let node = Node::new(&rpc_url, config.request_timeout)?;
        examine(&node, &usdc).await?;
        let info = ChainInfo {
            network,
            claim: network.v1_name().map_or_else(|| network.to_string(), str::to_owned),
            asset: usdc.contract.to_string(),
            offer_extra: offer_extra(&usdc),
            deposit_wallet: pay_to.to_string(),
        };
        let signer = key.address();
        let turns = Turns::new(&config, &signer);
        tracing::info!(%network, %signer, deposit_wallet = %pay_to, "chain connected");
        Ok(Self { info, usdc, key, signer, node, lane: Lane::default(), turns, config })
    }
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
