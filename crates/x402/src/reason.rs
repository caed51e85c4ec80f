//! Refusal reasons: the strings that the official SDKs emit and their users match on.

use crate::Network;

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
/// Solana: the scheme is not `exact`.
pub const SVM_UNSUPPORTED_SCHEME: &str = "invalid_exact_svm_unsupported_scheme";
/// Solana: payload and requirements name different networks.
pub const SVM_NETWORK_MISMATCH: &str = "invalid_exact_svm_network_mismatch";
/// `extra.feePayer` is missing.
pub const SVM_MISSING_FEE_PAYER: &str = "invalid_exact_svm_payload_missing_fee_payer";
/// `extra.feePayer` is not one of our keys.
pub const SVM_FEE_PAYER_NOT_MANAGED: &str = "invalid_exact_svm_fee_payer_not_managed_by_facilitator";
/// The payload is no transaction.
pub const SVM_TRANSACTION_UNDECODABLE: &str = "invalid_exact_svm_payload_transaction_could_not_be_decoded";
/// A required signature is missing or wrong.
pub const SVM_SIGNATURE_INVALID: &str = "invalid_exact_svm_payload_signature_invalid";
/// More signatures than are paid for.
pub const SVM_EXCESSIVE_SIGNERS: &str = "invalid_exact_svm_payload_excessive_signers";
/// The first account is not the offer's fee payer.
pub const SVM_FEE_PAYER_MISMATCH: &str = "invalid_exact_svm_fee_payer_mismatch";
/// Accounts are hidden in lookup tables.
pub const SVM_LOOKUP_TABLES: &str = "invalid_exact_svm_smart_wallet_alt_resolution_not_available";
/// Too few or too many instructions.
pub const SVM_INSTRUCTIONS_LENGTH: &str = "invalid_exact_svm_payload_transaction_instructions_length";
/// The first instruction does not limit the compute units.
pub const SVM_COMPUTE_LIMIT: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction";
/// The limit is more than is paid for.
pub const SVM_COMPUTE_LIMIT_TOO_HIGH: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high";
/// The second instruction does not set the price of compute units.
pub const SVM_COMPUTE_PRICE: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction";
/// The price is more than is paid.
pub const SVM_COMPUTE_PRICE_TOO_HIGH: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high";
/// The third instruction is not `TransferChecked`.
pub const SVM_NO_TRANSFER: &str = "invalid_exact_svm_payload_no_transfer_instruction";
/// A key of ours is among an instruction's accounts.
pub const SVM_FEE_PAYER_TRANSFERRING_FUNDS: &str =
    "invalid_exact_svm_payload_transaction_fee_payer_transferring_funds";
/// The transfer is of another token.
pub const SVM_MINT_MISMATCH: &str = "invalid_exact_svm_payload_mint_mismatch";
/// The transfer goes elsewhere.
pub const SVM_RECIPIENT_MISMATCH: &str = "invalid_exact_svm_payload_recipient_mismatch";
/// The amount is not exactly the price.
pub const SVM_AMOUNT_MISMATCH: &str = "invalid_exact_svm_payload_amount_mismatch";
/// The fourth instruction calls another program than Memo or Lighthouse.
pub const SVM_UNKNOWN_FOURTH: &str = "invalid_exact_svm_payload_unknown_fourth_instruction";
/// The fifth does.
pub const SVM_UNKNOWN_FIFTH: &str = "invalid_exact_svm_payload_unknown_fifth_instruction";
/// The sixth does.
pub const SVM_UNKNOWN_SIXTH: &str = "invalid_exact_svm_payload_unknown_sixth_instruction";
/// The seventh does.
pub const SVM_UNKNOWN_SEVENTH: &str = "invalid_exact_svm_payload_unknown_seventh_instruction";
/// The memo is not the offer's.
pub const SVM_MEMO_MISMATCH: &str = "invalid_exact_svm_payload_memo_mismatch";
/// The offer has a memo, and the transaction not exactly one.
pub const SVM_MEMO_COUNT: &str = "invalid_exact_svm_payload_memo_count";
/// The simulated transaction failed.
pub const SVM_SIMULATION_FAILED: &str = "invalid_exact_svm_transaction_simulation_failed";
/// The transaction landed and failed, or can no longer land.
pub const SVM_TRANSACTION_FAILED: &str = "invalid_exact_svm_transaction_failed";
/// The transaction landed, but the transfer is not to be found in it.
pub const SVM_TRANSFER_NOT_CONFIRMED: &str = "post_settlement_transfer_not_confirmed";
/// Broadcast, outcome unknown: ask again with the same payment.
pub const SETTLEMENT_PENDING: &str = "settlement_pending";
/// Verification failed for a reason of our own.
pub const UNEXPECTED_VERIFY_ERROR: &str = "unexpected_verify_error";
/// Settlement failed for a reason of our own.
pub const UNEXPECTED_SETTLE_ERROR: &str = "unexpected_settle_error";

/// How a payment to somebody else is refused on this network.
pub const fn recipient_mismatch(network: Network) -> &'static str {
    match network {
        Network::Eip155(_) => EVM_RECIPIENT_MISMATCH,
        Network::Solana(_) => SVM_RECIPIENT_MISMATCH,
    }
}

/// How a payment of another amount is refused on this network, in v2.
pub const fn amount_mismatch(network: Network) -> &'static str {
    match network {
        Network::Eip155(_) => EVM_VALUE_MISMATCH,
        Network::Solana(_) => SVM_AMOUNT_MISMATCH,
    }
}

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

    /// The strings of `@x402/svm` 2.27.0 (`exact/facilitator/errors.ts`) that we have a use for, as published.
    const OFFICIAL_SVM: [&str; 27] = [
        "invalid_exact_svm_unsupported_scheme",
        "invalid_exact_svm_network_mismatch",
        "invalid_exact_svm_payload_missing_fee_payer",
        "invalid_exact_svm_fee_payer_not_managed_by_facilitator",
        "invalid_exact_svm_payload_transaction_could_not_be_decoded",
        "invalid_exact_svm_payload_signature_invalid",
        "invalid_exact_svm_payload_excessive_signers",
        "invalid_exact_svm_fee_payer_mismatch",
        "invalid_exact_svm_smart_wallet_alt_resolution_not_available",
        "invalid_exact_svm_payload_transaction_instructions_length",
        "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction",
        "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high",
        "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction",
        "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high",
        "invalid_exact_svm_payload_no_transfer_instruction",
        "invalid_exact_svm_payload_transaction_fee_payer_transferring_funds",
        "invalid_exact_svm_payload_mint_mismatch",
        "invalid_exact_svm_payload_recipient_mismatch",
        "invalid_exact_svm_payload_amount_mismatch",
        "invalid_exact_svm_payload_unknown_fourth_instruction",
        "invalid_exact_svm_payload_unknown_fifth_instruction",
        "invalid_exact_svm_payload_unknown_sixth_instruction",
        "invalid_exact_svm_payload_unknown_seventh_instruction",
        "invalid_exact_svm_payload_memo_mismatch",
        "invalid_exact_svm_payload_memo_count",
        "invalid_exact_svm_transaction_simulation_failed",
        "invalid_exact_svm_transaction_failed",
    ];

    #[test]
    fn ours_for_solana_are_the_official_strings() {
        use super::*;
        let ours = [
            SVM_UNSUPPORTED_SCHEME,
            SVM_NETWORK_MISMATCH,
            SVM_MISSING_FEE_PAYER,
            SVM_FEE_PAYER_NOT_MANAGED,
            SVM_TRANSACTION_UNDECODABLE,
            SVM_SIGNATURE_INVALID,
            SVM_EXCESSIVE_SIGNERS,
            SVM_FEE_PAYER_MISMATCH,
            SVM_LOOKUP_TABLES,
            SVM_INSTRUCTIONS_LENGTH,
            SVM_COMPUTE_LIMIT,
            SVM_COMPUTE_LIMIT_TOO_HIGH,
            SVM_COMPUTE_PRICE,
            SVM_COMPUTE_PRICE_TOO_HIGH,
            SVM_NO_TRANSFER,
            SVM_FEE_PAYER_TRANSFERRING_FUNDS,
            SVM_MINT_MISMATCH,
            SVM_RECIPIENT_MISMATCH,
            SVM_AMOUNT_MISMATCH,
            SVM_UNKNOWN_FOURTH,
            SVM_UNKNOWN_FIFTH,
            SVM_UNKNOWN_SIXTH,
            SVM_UNKNOWN_SEVENTH,
            SVM_MEMO_MISMATCH,
            SVM_MEMO_COUNT,
            SVM_SIMULATION_FAILED,
            SVM_TRANSACTION_FAILED,
        ];
        assert_eq!(ours, OFFICIAL_SVM);
        assert_eq!(SVM_TRANSFER_NOT_CONFIRMED, "post_settlement_transfer_not_confirmed");
    }
}
