//! What is allowed but probably not meant.

use super::feed::UpstreamAuth;
use super::{Chain, CustomerLimits, File, Unspent};
use tollwire_ops::config::Loaded;
use tollwire_settlement::Minimum;
use tollwire_wiring::SolanaChain;
use tollwire_x402::{SolanaCluster, Usdc};
use url::{Host, Url};

/// One sentence per likely mistake, each naming the key and what will happen.
pub(crate) fn warnings(file: &Loaded<File>) -> Vec<String> {
    let mut found = Vec::new();
    for (position, feed) in file.value.feed.iter().enumerate() {
        let name = feed.id.as_ref().map_or_else(|| format!("feed[{position}]"), |id| format!("feed {id}"));
        let price: Usdc = feed.price.parse().unwrap_or(Usdc::ZERO);
        let deposits: Vec<Usdc> =
            feed.deposit_units.iter().filter_map(|units| price.checked_mul(*units)).collect();
        if !deposits.iter().any(|deposit| deposit.atomic() <= 100_000) {
            found.push(format!(
                "{name}: deposit_units has no deposit of at most $0.10; x402 v1 clients with their default cap cannot pay"
            ));
        }
        if let Some(large) = deposits.iter().find(|deposit| deposit.atomic() > 1_000_000) {
            found.push(format!(
                "{name}: deposit_units has a deposit of {large}; x402 v2 clients take at most $1.00 by default and skip it"
            ));
        }
        let open = feed.upstream_auth == UpstreamAuth::None && feed.upstream_headers.is_empty();
        let url = feed.upstream.resolve().ok().and_then(|text| Url::parse(&text).ok());
        if open && url.as_ref().is_some_and(is_public) {
            found.push(format!(
                "{name}: the upstream is public and asks for no proof; agents can go around this proxy. Set upstream_auth or upstream_headers"
            ));
        }
        if url.as_ref().is_some_and(|url| url.scheme() == "ws" && is_public(url)) {
            found.push(format!("{name}: the upstream is public and not encrypted; write wss://"));
        }
    }
    if file.value.public_url.scheme() == "http" && is_public(&file.value.public_url) {
        found.push("public_url: session tokens will cross the network unencrypted; put TLS in front and write https://".into());
    }
    if file.value.admin.as_ref().is_some_and(|admin| !admin.listen.ip().is_loopback()) {
        found.push(
            "admin.listen: the admin listener is not on loopback; anybody who reaches it sees the metrics"
                .into(),
        );
    }
    for chain in &file.value.chain {
        if let Chain::Evm(evm) = chain
            && evm.pay_to.is_some()
            && (file.value.unspent == Unspent::Refund || file.value.payout.enabled)
        {
            found.push(format!(
                "chain {}: pay_to is set; payers are refunded and providers paid out only if it is the first settlement key's own account. Else set unspent to another rule and payout.enabled to false",
                evm.network
            ));
        }
    }
    for chain in &file.value.chain {
        if let Chain::Solana(solana) = chain {
            of_solana(solana, file.value.unspent, &mut found);
        }
    }
    found.extend(unbounded(file));
    let keys = std::iter::once(&file.value.token.signing_key).chain(&file.value.token.previous_keys);
    let chains = file.value.chain.iter().flat_map(|chain| match chain {
        Chain::Dev => Vec::new(),
        Chain::Evm(evm) => evm.settlement_keys.iter().collect(),
        Chain::Solana(solana) => solana.deposit_key.iter().chain([&solana.settlement_key]).collect(),
    });
    for key in keys.chain(chains) {
        if key.readable_by_others(&file.base) == Some(true) {
            found.push(format!("{key}: others can read this key file; chmod 600 it"));
        }
    }
    found
}

/// Customers whose payments could cost any amount of gas.
fn unbounded(file: &Loaded<File>) -> Vec<String> {
    let api = &file.value.facilitator;
    if file.value.chain.iter().any(|chain| matches!(chain, Chain::Dev)) {
        return Vec::new();
    }
    let keyless = (!api.pay_to.is_empty()).then_some(("facilitator.limits".to_owned(), &api.limits));
    let accounts =
        api.account.iter().map(|account| (format!("facilitator.account {}", account.id), &account.limits));
    let free = |limits: &CustomerLimits| limits.minimum == Minimum::None && limits.gas_per_day.is_none();
    let open = keyless.into_iter().chain(accounts).filter(|(_, limits)| free(limits));
    open.map(|(name, _)| {
        format!("{name}: nothing bounds what settling costs in gas; set minimum = \"auto\" or gas_per_day")
    })
    .collect()
}

fn of_solana(solana: &SolanaChain, unspent: Unspent, found: &mut Vec<String>) {
    let network = solana.network();
    if solana.pay_to.is_some() && solana.deposit_key.is_none() && unspent == Unspent::Refund {
        found.push(format!(
            "chain {network}: pay_to is set without deposit_key; what is left of sessions can be refunded only if it is the settlement key's own wallet. Else set unspent to another rule"
        ));
    }
    if solana.pay_to.is_none() && solana.deposit_key.is_none() {
        found.push(format!(
            "chain {network}: deposits go to the fee payer's own wallet; set deposit_key or pay_to, so that the key that signs every payment holds no more than its fees"
        ));
    }
    if solana.genesis.is_some() && solana.cluster == SolanaCluster::Mainnet {
        found.push(format!(
            "chain {network}: genesis is set; a node of another cluster is believed to be mainnet"
        ));
    }
}

fn is_public(url: &Url) -> bool {
    match url.host() {
        None => false,
        Some(Host::Domain(name)) => name != "localhost" && name.contains('.') && !name.ends_with(".internal"),
        Some(Host::Ipv4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Some(Host::Ipv6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}
