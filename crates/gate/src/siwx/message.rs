//! The text a wallet signs: EIP-4361, "Sign-In with Ethereum".

use super::{Challenge, STATEMENT};

/// The message for an address on an EVM chain. `address` stands as the client wrote it.
pub(super) fn eip4361(challenge: &Challenge, address: &str, chain_id: u64) -> String {
    format!(
        "{domain} wants you to sign in with your Ethereum account:\n\
         {address}\n\
         \n\
         {STATEMENT}\n\
         \n\
         URI: {uri}\n\
         Version: 1\n\
         Chain ID: {chain_id}\n\
         Nonce: {nonce}\n\
         Issued At: {issued}\n\
         Expiration Time: {expires}\n\
         Resources:\n\
         - {uri}",
        domain = challenge.domain,
        uri = challenge.uri,
        nonce = challenge.nonce,
        issued = challenge.issued_at(),
        expires = challenge.expires_at(),
    )
}
