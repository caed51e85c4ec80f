//! EIP-3009 authorizations and their EIP-712 digests.

use super::hash::{keccak256_words, word};
use super::{Address, Error, PrivateKey, Signature, keccak256};
use tollwire_x402::{Network, Usdc, asset};

/// Keccak-256 of `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`.
const DOMAIN_TYPE: [u8; 32] = [
    0x8b, 0x73, 0xc3, 0xc6, 0x9b, 0xb8, 0xfe, 0x3d, 0x51, 0x2e, 0xcc, 0x4c, 0xf7, 0x59, 0xcc, 0x79, 0x23,
    0x9f, 0x7b, 0x17, 0x9b, 0x0f, 0xfa, 0xca, 0xa9, 0xa7, 0x5d, 0x52, 0x2b, 0x39, 0x40, 0x0f,
];

/// Keccak-256 of `TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256
/// validBefore,bytes32 nonce)`, FiatTokenV2's `TRANSFER_WITH_AUTHORIZATION_TYPEHASH`.
const TRANSFER_TYPE: [u8; 32] = [
    0x7c, 0x7c, 0x6c, 0xdb, 0x67, 0xa1, 0x87, 0x43, 0xf4, 0x9e, 0xc6, 0xfa, 0x9b, 0x35, 0xf5, 0x0d, 0x52,
    0xed, 0x05, 0xcb, 0xed, 0x4c, 0xc5, 0x92, 0xe1, 0x3b, 0x44, 0x50, 0x1c, 0x1a, 0x22, 0x67,
];

/// The EIP-712 domain of a token contract: a signature for one is worth nothing at another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The contract's `name()`, such as `USD Coin`.
    pub name: String,
    /// The contract's `version()`, such as `2`.
    pub version: String,
    /// The EVM chain id.
    pub chain_id: u64,
    /// The token contract.
    pub contract: Address,
}

impl Domain {
    /// Circle's USDC on a network, if x402 names one there.
    pub fn usdc(network: Network) -> Option<Self> {
        let usdc = asset::usdc(network)?;
        let (name, version) = usdc.eip712?;
        Some(Self {
            name: name.into(),
            version: version.into(),
            chain_id: network.chain_id()?,
            contract: usdc.address.parse().ok()?,
        })
    }

    /// The domain separator (EIP-712), equal to the contract's `DOMAIN_SEPARATOR()`.
    pub fn separator(&self) -> [u8; 32] {
        keccak256_words(&[
            DOMAIN_TYPE,
            keccak256(self.name.as_bytes()),
            keccak256(self.version.as_bytes()),
            word(self.chain_id),
            self.contract.word(),
        ])
    }
}

/// What the payer signs: move `value` from `from` to `to`, once, inside a window.
///
/// The contract's times and amount are 256-bit numbers; ours stop earlier, because what does not fit here is
/// never acceptable (see [`super::Payload::parse`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The payer.
    pub from: Address,
    /// The payee.
    pub to: Address,
    /// How much.
    pub value: Usdc,
    /// Valid strictly after this second since the epoch.
    pub valid_after: u64,
    /// Valid strictly before this second since the epoch.
    pub valid_before: u64,
    /// Chosen at random by the payer; the contract takes each once per payer.
    pub nonce: [u8; 32],
}

impl Authorization {
    /// EIP-712 `hashStruct`.
    pub fn struct_hash(&self) -> [u8; 32] {
        keccak256_words(&[
            TRANSFER_TYPE,
            self.from.word(),
            self.to.word(),
            word(self.value.atomic()),
            word(self.valid_after),
            word(self.valid_before),
            self.nonce,
        ])
    }

    /// The digest that is signed.
    pub fn digest(&self, domain: &Domain) -> [u8; 32] {
        self.digest_under(&domain.separator())
    }

    /// The digest that is signed, given the domain's separator.
    pub(super) fn digest_under(&self, separator: &[u8; 32]) -> [u8; 32] {
        let mut bytes = [0; 66];
        let (prefix, words) = bytes.split_at_mut(2);
        prefix.copy_from_slice(&[0x19, 0x01]);
        let (first, second) = words.split_at_mut(32);
        first.copy_from_slice(separator);
        second.copy_from_slice(&self.struct_hash());
        keccak256(&bytes)
    }

    /// Signs it. The caller sees to it that `from` is the key's own address.
    pub fn sign(&self, key: &PrivateKey, domain: &Domain) -> Result<Signature, Error> {
        key.sign_digest(&self.digest(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_hash_to_what_is_written_here() {
        let domain = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        assert_eq!(keccak256(domain.as_bytes()), DOMAIN_TYPE);
        let transfer = "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";
        assert_eq!(keccak256(transfer.as_bytes()), TRANSFER_TYPE);
    }
}
