//! The text a wallet signs: CAIP-122, which on EVM is EIP-4361, "Sign-In with Ethereum".

use super::Challenge;

/// The message for an address of one of the `account` chains (`Ethereum`, `Solana`), on the chain with this CAIP-2
/// reference. `address` stands as the client wrote it.
pub(super) fn caip122(challenge: &Challenge, account: &str, address: &str, reference: &str) -> String {
    format!(
        "{domain} wants you to sign in with your {account} account:\n\
         {address}\n\
         \n\
         {statement}\n\
         \n\
         URI: {uri}\n\
         Version: 1\n\
         Chain ID: {reference}\n\
         Nonce: {nonce}\n\
         Issued At: {issued}\n\
         Expiration Time: {expires}\n\
         Resources:\n\
         - {uri}",
        domain = challenge.domain,
        statement = challenge.statement,
        uri = challenge.uri,
        nonce = challenge.nonce,
        issued = challenge.issued_at(),
        expires = challenge.expires_at(),
    )
}
