//! Refusal reasons: the strings that the official SDKs emit and their users match on.

/// The x402 version is neither 1 nor 2.
pub const INVALID_X402_VERSION: &str = "invalid_x402_version";
/// The scheme is not served here.
pub const UNSUPPORTED_SCHEME: &str = "unsupported_scheme";
/// The network is not served here.
pub const INVALID_NETWORK: &str = "invalid_network";
/// The payload is not the scheme's.
pub const INVALID_PAYLOAD: &str = "invalid_payload";
/// The requirements contradict themselves or us.
pub const INVALID_PAYMENT_REQUIREMENTS: &str = "invalid_payment_requirements";
/// The payload kind (Permit2, ERC-7710) is not served here.
pub const UNSUPPORTED_PAYLOAD_TYPE: &str = "unsupported_payload_type";
/// Payload and requirements name different schemes.
pub const EVM_SCHEME: &str = "invalid_exact_evm_scheme";
/// Payload and requirements name different networks.
pub const EVM_NETWORK_MISMATCH: &str = "invalid_exact_evm_network_mismatch";
/// `extra.name` or `extra.version` is missing.
pub const EVM_MISSING_EIP712_DOMAIN: &str = "invalid_exact_evm_missing_eip712_domain";
/// The asset has no code.
pub const ASSET_NOT_DEPLOYED: &str = "asset_not_deployed_contract";
/// The authorization pays somebody else.
pub const EVM_RECIPIENT_MISMATCH: &str = "invalid_exact_evm_recipient_mismatch";
/// The signature is not the payer's.
pub const EVM_SIGNATURE: &str = "invalid_exact_evm_signature";
/// The signature is not readable.
pub const EVM_FAILED_TO_PARSE_SIGNATURE: &str = "invalid_exact_evm_failed_to_parse_signature";
/// The payer is a smart wallet that is not deployed.
pub const EVM_UNDEPLOYED_SMART_WALLET: &str = "invalid_exact_evm_payload_undeployed_smart_wallet";
/// The payer's wallet is not deployed, and its factory is on no list of ours.
pub const EIP6492_FACTORY_NOT_ALLOWED: &str = "eip6492_factory_not_allowed";
/// Deploying the payer's wallet would fail.
pub const SMART_WALLET_DEPLOYMENT_FAILED: &str = "smart_wallet_deployment_failed";
/// `validBefore` has passed or is too near.
pub const EVM_VALID_BEFORE: &str = "invalid_exact_evm_payload_authorization_valid_before";
/// `validAfter` lies ahead.
pub const EVM_VALID_AFTER: &str = "invalid_exact_evm_payload_authorization_valid_after";
/// v2: the amount is not exactly the price.
pub const EVM_VALUE_MISMATCH: &str = "invalid_exact_evm_payload_authorization_value_mismatch";
/// v1: the amount is not exactly the price.
pub const EVM_VALUE_V1: &str = "invalid_exact_evm_authorization_value";
/// The nonce was used, by a transfer or a cancellation.
pub const EVM_NONCE_ALREADY_USED: &str = "invalid_exact_evm_nonce_already_used";
/// The payer has too little.
pub const EVM_INSUFFICIENT_BALANCE: &str = "invalid_exact_evm_insufficient_balance";
/// The token's name differs from `extra.name`.
pub const EVM_TOKEN_NAME_MISMATCH: &str = "invalid_exact_evm_token_name_mismatch";
/// The token's version differs from `extra.version`.
pub const EVM_TOKEN_VERSION_MISMATCH: &str = "invalid_exact_evm_token_version_mismatch";
/// The token has no EIP-3009.
pub const EVM_EIP3009_NOT_SUPPORTED: &str = "invalid_exact_evm_eip3009_not_supported";
/// The simulated transfer failed.
pub const EVM_SIMULATION_FAILED: &str = "invalid_exact_evm_transaction_simulation_failed";
/// The transaction was mined and reverted.
pub const EVM_TRANSACTION_FAILED: &str = "invalid_exact_evm_transaction_failed";
/// The receipt lacks the expected `Transfer` log.
pub const EVM_TRANSFER_EVENT_MISMATCH: &str = "invalid_exact_evm_transfer_event_mismatch";
/// Broadcast, outcome unknown: ask again with the same payment.
pub const SETTLEMENT_PENDING: &str = "settlement_pending";
/// Verification failed for a reason of our own.
pub const UNEXPECTED_VERIFY_ERROR: &str = "unexpected_verify_error";
/// Settlement failed for a reason of our own.
pub const UNEXPECTED_SETTLE_ERROR: &str = "unexpected_settle_error";

// Ours alone: what a facilitator with customers has to say and the SDKs have no word for.

/// The request's key is missing, unknown or wrong (HTTP 401).
pub const UNAUTHORIZED: &str = "unauthorized";
/// The account is suspended (HTTP 403).
pub const ACCOUNT_SUSPENDED: &str = "account_suspended";
/// Too many requests, of the account or about one payer (HTTP 429).
pub const RATE_LIMITED: &str = "rate_limited";
/// The account has settled as many payments as it may for now (HTTP 429).
pub const QUOTA_EXHAUSTED: &str = "quota_exhausted";
/// What the account may cost in gas, in all or for this payer, is used up for now.
pub const SPONSOR_BUDGET_EXHAUSTED: &str = "sponsor_budget_exhausted";
/// The payment is smaller than what is settled here.
pub const AMOUNT_BELOW_MINIMUM: &str = "amount_below_minimum";
/// The `payment-identifier` was used for another payment (HTTP 409).
pub const PAYMENT_IDENTIFIER_CONFLICT: &str = "payment_identifier_conflict";
/// The offer asks for a `payment-identifier`, and the payment has none that is well formed (HTTP 400).
pub const PAYMENT_IDENTIFIER_INVALID: &str = "payment_identifier_invalid";

#[cfg(test)]
mod tests {
    /// The strings of `@x402/evm` 2.27.0 (`exact/facilitator/errors.ts`) that we have a use for, as published.
    const OFFICIAL: [&str; 21] = [
        "asset_not_deployed_contract",
        "eip6492_factory_not_allowed",
        "invalid_exact_evm_authorization_value",
        "invalid_exact_evm_eip3009_not_supported",
        "invalid_exact_evm_failed_to_parse_signature",
        "invalid_exact_evm_insufficient_balance",
        "invalid_exact_evm_missing_eip712_domain",
        "invalid_exact_evm_network_mismatch",
        "invalid_exact_evm_nonce_already_used",
        "invalid_exact_evm_payload_authorization_valid_after",
        "invalid_exact_evm_payload_authorization_valid_before",
        "invalid_exact_evm_payload_authorization_value_mismatch",
        "invalid_exact_evm_recipient_mismatch",
        "invalid_exact_evm_scheme",
        "invalid_exact_evm_signature",
        "invalid_exact_evm_transaction_failed",
        "invalid_exact_evm_transaction_simulation_failed",
        "invalid_exact_evm_transfer_event_mismatch",
        "settlement_pending",
        "smart_wallet_deployment_failed",
        "unsupported_payload_type",
    ];

    #[test]
    fn ours_are_the_official_strings() {
        use super::*;
        let ours = [
            ASSET_NOT_DEPLOYED,
            EIP6492_FACTORY_NOT_ALLOWED,
            EVM_VALUE_V1,
            EVM_EIP3009_NOT_SUPPORTED,
            EVM_FAILED_TO_PARSE_SIGNATURE,
            EVM_INSUFFICIENT_BALANCE,
            EVM_MISSING_EIP712_DOMAIN,
            EVM_NETWORK_MISMATCH,
            EVM_NONCE_ALREADY_USED,
            EVM_VALID_AFTER,
            EVM_VALID_BEFORE,
            EVM_VALUE_MISMATCH,
            EVM_RECIPIENT_MISMATCH,
            EVM_SCHEME,
            EVM_SIGNATURE,
            EVM_TRANSACTION_FAILED,
            EVM_SIMULATION_FAILED,
            EVM_TRANSFER_EVENT_MISMATCH,
            SETTLEMENT_PENDING,
            SMART_WALLET_DEPLOYMENT_FAILED,
            UNSUPPORTED_PAYLOAD_TYPE,
        ];
        assert_eq!(ours, OFFICIAL);
    }
}
