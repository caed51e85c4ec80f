//! Networks: CAIP-2 identifiers, and the names x402 v1 used for them.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// A settlement network. Compared only in this canonical form; v1 names are translated once, at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// An EVM chain by its chain id (CAIP-2 namespace `eip155`).
    Eip155(u64),
    /// A Solana cluster (CAIP-2 namespace `solana`).
    Solana(SolanaCluster),
}

/// The Solana clusters that x402 names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SolanaCluster {
    /// Mainnet beta.
    Mainnet,
    /// Devnet.
    Devnet,
    /// Testnet.
    Testnet,
}

impl SolanaCluster {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Mainnet, "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana"),
        (Self::Devnet, "EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "solana-devnet"),
        (Self::Testnet, "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z", "solana-testnet"),
    ];

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Mainnet => ("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana"),
            Self::Devnet => ("EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "solana-devnet"),
            Self::Testnet => ("4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z", "solana-testnet"),
        }
    }
}

/// The v1 names that legacy x402 clients accept (npm x402 1.2.0), with their EVM chain ids. A body with any other
/// name makes them throw.
const V1_EVM_NAMES: [(&str, u64); 15] = [
    ("base", 8453),
    ("base-sepolia", 84532),
    ("avalanche", 43114),
    ("avalanche-fuji", 43113),
    ("polygon", 137),
    ("polygon-amoy", 80002),
    ("sei", 1329),
    ("sei-testnet", 1328),
    ("iotex", 4689),
    ("peaq", 3338),
    ("story", 1514),
    ("educhain", 41923),
    ("abstract", 2741),
    ("abstract-testnet", 11124),
    ("skale-base-sepolia", 324_705_682),
];

impl Network {
    /// Base mainnet, `eip155:8453`.
    pub const BASE: Self = Self::Eip155(8453);
    /// Base Sepolia, `eip155:84532`.
    pub const BASE_SEPOLIA: Self = Self::Eip155(84532);

    /// The name legacy v1 clients know, or `None` if they know none: such a network cannot stand in a v1 body.
    pub fn v1_name(self) -> Option<&'static str> {
        match self {
            Self::Eip155(chain) => V1_EVM_NAMES.iter().find(|(_, id)| *id == chain).map(|(name, _)| *name),
            Self::Solana(SolanaCluster::Testnet) => None,
            Self::Solana(cluster) => Some(cluster.row().1),
        }
    }

    /// Reads a v1 name such as `base-sepolia`.
    pub fn from_v1_name(name: &str) -> Result<Self, Error> {
        let evm = V1_EVM_NAMES.iter().find(|(known, _)| *known == name).map(|(_, id)| Self::Eip155(*id));
        let solana =
            || SolanaCluster::ALL.iter().find(|(.., known)| *known == name).map(|(c, ..)| Self::Solana(*c));
        evm.or_else(solana).ok_or(Error::Network)
    }

    /// Reads a CAIP-2 name or a v1 name: whatever people may write.
    pub fn from_any_name(name: &str) -> Result<Self, Error> {
        name.parse().or_else(|_| Self::from_v1_name(name))
    }

    /// The EVM chain id, if this is an EVM chain.
    pub fn chain_id(self) -> Option<u64> {
        match self {
            Self::Eip155(chain) => Some(chain),
            Self::Solana(_) => None,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eip155(chain) => write!(f, "eip155:{chain}"),
            Self::Solana(cluster) => write!(f, "solana:{}", cluster.row().0),
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("eip155", id)) if !id.starts_with(['0', '+']) => {
                id.parse().map(Self::Eip155).map_err(|_| Error::Network)
            }
            Some(("solana", genesis)) => SolanaCluster::ALL
                .iter()
                .find(|(_, known, _)| *known == genesis)
                .map(|(cluster, ..)| Self::Solana(*cluster))
                .ok_or(Error::Network),
            _ => Err(Error::Network),
        }
    }
}

serde_as_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caip2_and_v1_names_round_trip() {
        for (caip2, v1) in [
            ("eip155:8453", "base"),
            ("eip155:84532", "base-sepolia"),
            ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana"),
            ("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "solana-devnet"),
        ] {
            let network: Network = caip2.parse().unwrap();
            assert_eq!(network.to_string(), caip2);
            assert_eq!(network.v1_name(), Some(v1));
            assert_eq!(Network::from_v1_name(v1), Ok(network));
            assert_eq!([v1, caip2].map(Network::from_any_name), [Ok(network), Ok(network)]);
        }
        assert_eq!(Network::from_any_name("bass"), Err(Error::Network));
    }

    #[test]
    fn a_v1_body_names_only_what_legacy_clients_know() {
        assert_eq!(Network::Solana(SolanaCluster::Testnet).v1_name(), None);
        assert_eq!(Network::Eip155(1).v1_name(), None);
        // Written by newer v1 software, so it is read.
        assert!(Network::from_v1_name("solana-testnet").is_ok());
        for (name, chain) in V1_EVM_NAMES {
            assert_eq!(Network::from_v1_name(name), Ok(Network::Eip155(chain)));
            assert_eq!(Network::Eip155(chain).v1_name(), Some(name));
        }
    }

    proptest::proptest! {
        #[test]
        fn every_chain_id_round_trips(chain: u64) {
            // CAIP-2 references have no leading zero, so chain 0 does not exist.
            let read = Network::Eip155(chain).to_string().parse();
            proptest::prop_assert_eq!(read, if chain == 0 { Err(Error::Network) } else { Ok(Network::Eip155(chain)) });
        }
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        for text in ["base", "eip155:", "eip155:08453", "eip155:+1", "eip155:x", "solana:x", "bip122:1", ""] {
            assert_eq!(text.parse::<Network>(), Err(Error::Network), "{text:?}");
        }
    }
}
