//! Rules that span several `[[chain]]` blocks.

use crate::Chain;
use std::net::SocketAddr;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_x402::Network;

/// Who may reach a binary that settles.
#[derive(Debug, Clone, Copy)]
pub struct Exposure {
    /// Its public listener.
    pub listen: SocketAddr,
    /// Whether the dev chain may be reached from elsewhere.
    pub dev_allow_public: bool,
}

/// Checks the chains of a file beside each other; their networks, in order.
pub fn check<T>(file: &Loaded<T>, chains: &[Chain], exposure: Exposure) -> Result<Vec<Network>, Error> {
    let dev = chains.iter().any(|chain| matches!(chain, Chain::Dev));
    if dev && chains.len() > 1 {
        return Err(
            file.error("chain", "the dev chain cannot stand beside another chain: its money is not real")
        );
    }
    if dev && !exposure.listen.ip().is_loopback() && !exposure.dev_allow_public {
        return Err(file.error(
            "listen",
            "the dev chain serves anybody for play money; listen on loopback, or set dev_allow_public = true",
        ));
    }
    let mut networks = Vec::new();
    for chain in chains {
        let network = chain.network();
        if networks.contains(&network) {
            return Err(file.error("chain.network", format!("{network} stands twice")));
        }
        networks.push(network);
    }
    Ok(networks)
}
