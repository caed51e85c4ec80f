//! The USDC contracts and their EIP-712 names.

use crate::{Network, SolanaCluster};

/// USDC on one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsdcAsset {
    /// Where it lives.
    pub network: Network,
    /// Contract address (EVM: EIP-55 checksummed, as legacy clients compare it byte for byte) or SPL mint.
    pub address: &'static str,
    /// EIP-712 domain name and version of the contract; `None` where there is no EIP-712.
    pub eip712: Option<(&'static str, &'static str)>,
}

/// USDC's decimals, on every network.
pub const DECIMALS: u8 = 6;

const KNOWN: [UsdcAsset; 5] = [
    UsdcAsset {
        network: Network::BASE,
        address: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        eip712: Some(("USD Coin", "2")),
    },
    UsdcAsset {
        network: Network::BASE_SEPOLIA,
        address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
        eip712: Some(("USDC", "2")),
    },
    UsdcAsset {
        network: Network::Solana(SolanaCluster::Mainnet),
        address: "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        eip712: None,
    },
    UsdcAsset {
        network: Network::Solana(SolanaCluster::Devnet),
        address: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
        eip712: None,
    },
    UsdcAsset {
        network: Network::Solana(SolanaCluster::Testnet),
        address: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
        eip712: None,
    },
];

/// The USDC contract on a network, if Circle issues one there that x402 names.
pub fn usdc(network: Network) -> Option<UsdcAsset> {
    KNOWN.into_iter().find(|asset| asset.network == network)
}
