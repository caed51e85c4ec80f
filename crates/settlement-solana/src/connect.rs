//! Connecting: the configuration is read, and the node proves to be what it says.

use crate::balance::Purse;
use crate::chain::Deposit;
use crate::hints::Hints;
use crate::mint::Mint;
use crate::node::Node;
use crate::{Error, SolanaChain, SolanaConfig};
use tollwire_exact::solana::{Address, Limits, PrivateKey, program};
use tollwire_settlement::{ChainError, ChainInfo};
use tollwire_x402::asset::{DECIMALS, usdc};
use tollwire_x402::v2::Extra;
use tollwire_x402::{Network, SolanaCluster};
use zeroize::Zeroizing;

impl SolanaChain {
    /// Reads the configuration and asks the node for its cluster, the mint, and the deposit wallet's token account. A
    /// mint on which a transfer would not move what was signed is refused, and a deposit wallet that has no token
    /// account for it.
    pub async fn connect(mut config: SolanaConfig) -> Result<Self, Error> {
        // The keys live on only where they sign, the URL only in the node: the configuration forgets them.
        let rpc_url = std::mem::take(&mut config.rpc_url);
        let keys = read_keys(&mut config)?;
        let network = Network::Solana(config.cluster);
        let wrong = |key, reason: String| Error::Config { key, reason };
        let asset = match &config.asset {
            Some(asset) => asset.clone(),
            None => usdc(network).map(|asset| asset.address.to_owned()).unwrap_or_default(),
        };
        let mint: Address = asset
            .parse()
            .map_err(|error: tollwire_exact::solana::Error| wrong("asset", error.to_string()))?;
        let node = Node::new(&rpc_url, config.request_timeout)?;
        let token_program = examine(&node, &config, &mint).await?;
        let account = program::associated_token(&keys.deposit_wallet, &token_program, &mint)
            .ok_or_else(|| wrong("pay_to", "it has no associated token account".into()))?;
        find_deposit_account(&node, network, &keys.deposit_wallet, &account, &mint).await?;
        let fee_payer = keys.settlement.address();
        let info = ChainInfo {
            network,
            claim: network.v1_name().map_or_else(|| network.to_string(), str::to_owned),
            asset,
            offer_extra: Extra::from_iter([("feePayer".to_owned(), fee_payer.to_string().into())]),
            deposit_wallet: keys.deposit_wallet.to_string(),
        };
        let mut own = vec![fee_payer, keys.deposit_wallet];
        own.dedup();
        let limits = Limits {
            fee_payer,
            own,
            signatures_max: config.signatures_max,
            units_max: config.compute_units_max,
            price_max: config.compute_price_max,
            fee_max: config.fee_max,
        };
        let purse = Purse::new(&info.claim, config.balance_low, config.failed_fees_max);
        tracing::info!(%network, %fee_payer, deposit_wallet = %keys.deposit_wallet, "chain connected");
        let deposit = Deposit { wallet: keys.deposit_wallet, account, key: keys.deposit };
        let key = keys.settlement;
        let hints = Hints::default();
        let chain = Self { info, mint, token_program, deposit, key, limits, node, hints, purse, config };
        chain.look_into_purse().await.map_err(|error| silent(network, &error))?;
        Ok(chain)
    }
}

struct Keys {
    settlement: PrivateKey,
    deposit: Option<PrivateKey>,
    deposit_wallet: Address,
}

fn read_keys(config: &mut SolanaConfig) -> Result<Keys, Error> {
    let read = |key, text: String| {
        let text = Zeroizing::new(text);
        PrivateKey::from_text(&text).map_err(|error| Error::Config { key, reason: error.to_string() })
    };
    let settlement = read("settlement_key", std::mem::take(&mut config.settlement_key))?;
    let deposit = config.deposit_key.take().map(|text| read("deposit_key", text)).transpose()?;
    let signs_for = deposit.as_ref().unwrap_or(&settlement).address();
    let deposit_wallet = match &config.pay_to {
        None => signs_for,
        Some(text) => text.parse().map_err(|error: tollwire_exact::solana::Error| Error::Config {
            key: "pay_to",
            reason: error.to_string(),
        })?,
    };
    if deposit.is_some() && deposit_wallet != signs_for {
        let reason = "pay_to is not this key's wallet; leave one of them out".to_owned();
        return Err(Error::Config { key: "deposit_key", reason });
    }
    let deposit = (deposit_wallet == signs_for).then(|| deposit.unwrap_or_else(|| settlement.clone()));
    Ok(Keys { settlement, deposit, deposit_wallet })
}

/// Refuses a node of another cluster, and a mint that cannot be taken; gives the mint's program.
async fn examine(node: &Node, config: &SolanaConfig, mint: &Address) -> Result<Address, Error> {
    let network = Network::Solana(config.cluster);
    let unfit = |reason: String| Error::Unfit { network: network.to_string(), reason };
    let genesis = node.genesis().await.map_err(|error| silent(network, &error))?;
    let wanted = config.genesis.as_deref().unwrap_or_else(|| genesis_of(config.cluster));
    // The network's name is the head of its genesis hash.
    if wanted.len() < 32 || !genesis.starts_with(wanted) {
        return Err(unfit(format!("its genesis hash is {genesis}, not {wanted}")));
    }
    let account = node.account(&mint.to_string()).await.map_err(|error| silent(network, &error))?;
    let account = account.ok_or_else(|| unfit(format!("there is no mint {mint}")))?;
    let read =
        Mint::read(&account).map_err(|why| unfit(format!("the mint {mint} cannot be taken: {why}")))?;
    if read.decimals != DECIMALS {
        return Err(unfit(format!("the mint {mint} has {} decimals, not {DECIMALS}", read.decimals)));
    }
    Ok(read.program)
}

/// The deposit wallet's token account must be there: a payment may not create it, as that would be at our expense.
async fn find_deposit_account(
    node: &Node,
    network: Network,
    wallet: &Address,
    account: &Address,
    mint: &Address,
) -> Result<(), Error> {
    let found = node.account(&account.to_string()).await.map_err(|error| silent(network, &error))?;
    if found.is_some() {
        return Ok(());
    }
    let reason = format!(
        "the deposit wallet {wallet} has no token account; create {account}, once, by: spl-token create-account {mint} \
         --owner {wallet} --fee-payer <key file>"
    );
    Err(Error::Unfit { network: network.to_string(), reason })
}

fn silent(network: Network, error: &ChainError) -> Error {
    Error::Unreachable { network: network.to_string(), reason: error.to_string() }
}

fn genesis_of(cluster: SolanaCluster) -> &'static str {
    match cluster {
        SolanaCluster::Mainnet => "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        SolanaCluster::Devnet => "EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
        SolanaCluster::Testnet => "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
    }
}
