//! EIP-3009 authorizations and their EIP-712 digests.

use super::hash::{keccak256_words, word};
use super::{Address, Error, PrivateKey, Signature, keccak256};
use tollwire_x402::{Network, Usdc, asset};

const DOMAIN_TYPE: &[u8] =
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const TRANSFER_TYPE: &[u8] = b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

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
            keccak256(DOMAIN_TYPE),
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
            keccak256(TRANSFER_TYPE),
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
        let mut bytes = vec![0x19, 0x01];
        bytes.extend_from_slice(&domain.separator());
        bytes.extend_from_slice(&self.struct_hash());
        keccak256(&bytes)
    }

    /// Signs it. The caller sees to it that `from` is the key's own address.
    pub fn sign(&self, key: &PrivateKey, domain: &Domain) -> Result<Signature, Error> {
        key.sign_digest(&self.digest(domain))
    }
}
