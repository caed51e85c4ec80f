//! The two contracts we call: USDC (Circle's FiatTokenV2_2) and a payer's wallet (EIP-1271).

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use tollwire_exact::evm::{Payload, Signature};

sol! {
    /// USDC, as far as we use it.
    contract Usdc {
        function name() external view returns (string);
        function version() external view returns (string);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            uint8 v, bytes32 r, bytes32 s) external;
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            bytes signature) external;

        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
        event Transfer(address indexed from, address indexed to, uint256 value);
    }

    /// A contract that signs (EIP-1271).
    contract Wallet {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// What a wallet answers to a signature it takes.
pub(crate) const EIP1271_MAGIC: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];

/// The end of a signature made for a wallet that may not exist yet (ERC-6492).
const ERC6492_SUFFIX: [u8; 32] = [
    0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64,
    0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92,
];

pub(crate) fn address(own: &tollwire_exact::evm::Address) -> Address {
    Address::from(*own.as_bytes())
}

/// Whether a signature is wrapped for an undeployed wallet.
pub(crate) fn is_erc6492(signature: &[u8]) -> bool {
    signature.ends_with(&ERC6492_SUFFIX)
}

/// The factory that a signature's ERC-6492 wrapper names, and what to call it with. `None` without a sound wrapper.
pub(crate) fn factory_call(signature: &[u8]) -> Option<(Address, Vec<u8>)> {
    let wrapped = signature.strip_suffix(&ERC6492_SUFFIX)?;
    let (factory, call, _inner) = <(Address, Bytes, Bytes)>::abi_decode_params(wrapped).ok()?;
    Some((factory, call.to_vec()))
}

/// The signature the contract shall see: without an ERC-6492 wrapper, of which a deployed wallet wants only the
/// inside. `None` if the wrapper is damaged.
pub(crate) fn inner_signature(signature: &[u8]) -> Option<Vec<u8>> {
    match signature.strip_suffix(&ERC6492_SUFFIX) {
        None => Some(signature.to_vec()),
        Some(wrapped) => {
            let (_factory, _calldata, inner) = <(Address, Bytes, Bytes)>::abi_decode_params(wrapped).ok()?;
            Some(inner.to_vec())
        }
    }
}

/// Calldata that uses a payer's authorization: the (v, r, s) form for 65 bytes, which every USDC has, else the
/// form for wallets.
pub(crate) fn transfer_calldata(payload: &Payload) -> Option<Vec<u8>> {
    let signed = &payload.authorization;
    let (from, to) = (address(&signed.from), address(&signed.to));
    let (value, after, before) =
        (U256::from(signed.value.atomic()), U256::from(signed.valid_after), U256::from(signed.valid_before));
    let nonce = B256::from(signed.nonce);
    let signature = inner_signature(&payload.signature)?;
    let calldata = if let [r @ .., v] = signature.as_slice()
        && signature.len() == Signature::BYTES
    {
        let (r, s) = r.split_at(32);
        // An account's v may come as 0 or 1; the contract wants 27 or 28. A wallet's v is its own business.
        let v = Signature::from_bytes(&signature).map_or(*v, |own| own.as_bytes()[64]);
        Usdc::transferWithAuthorization_0Call {
            from,
            to,
            value,
            validAfter: after,
            validBefore: before,
            nonce,
            v,
            r: B256::from_slice(r),
            s: B256::from_slice(s),
        }
        .abi_encode()
    } else {
        Usdc::transferWithAuthorization_1Call {
            from,
            to,
            value,
            validAfter: after,
            validBefore: before,
            nonce,
            signature: signature.into(),
        }
        .abi_encode()
    };
    Some(calldata)
}

/// The topics of the two ways an authorization's nonce ends.
pub(crate) const ENDINGS: [B256; 2] =
    [Usdc::AuthorizationUsed::SIGNATURE_HASH, Usdc::AuthorizationCanceled::SIGNATURE_HASH];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_topics_are_the_published_ones() {
        assert_eq!(Usdc::transferWithAuthorization_0Call::SELECTOR, [0xe3, 0xee, 0x16, 0x0e]);
        assert_eq!(Usdc::transferWithAuthorization_1Call::SELECTOR, [0xcf, 0x09, 0x29, 0x95]);
        assert_eq!(Usdc::authorizationStateCall::SELECTOR, [0xe9, 0x4a, 0x01, 0x02]);
        assert_eq!(Wallet::isValidSignatureCall::SELECTOR, EIP1271_MAGIC);
        assert_eq!(
            hex::encode(Usdc::AuthorizationUsed::SIGNATURE_HASH),
            "98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
        );
        assert_eq!(
            hex::encode(Usdc::Transfer::SIGNATURE_HASH),
            "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
        );
    }

    #[test]
    fn an_erc6492_wrapper_gives_its_inside() {
        let parts = (Address::ZERO, Bytes::from_static(b"deploy"), Bytes::from_static(b"inside"));
        let mut wrapped = parts.abi_encode_params();
        wrapped.extend(ERC6492_SUFFIX);
        assert!(is_erc6492(&wrapped));
        assert_eq!(inner_signature(&wrapped).unwrap(), b"inside");
        assert_eq!(inner_signature(b"plain").unwrap(), b"plain");
        let mut damaged = vec![0xff; 40];
        damaged.extend(ERC6492_SUFFIX);
        assert_eq!(inner_signature(&damaged), None);
    }
}
