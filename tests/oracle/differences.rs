//! Where we say something else than the reference, and why. docs/facilitator.md has the same table for people.

use crate::verdict::Call;

/// What a difference is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The same payment again gets the same answer.
    Idempotent,
    /// The reference fails; we refuse.
    NoFailure,
    /// The reference passes on what its library wrote.
    Words,
    /// We look at the offer before the signature.
    OfferFirst,
    /// We read members by the specification.
    Types,
    /// We check signatures before the chain does.
    Signatures,
    /// We bound how long a payment may be valid.
    Window,
}

/// Which calls it shows in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Both,
    Verify,
    Settle,
}

impl Why {
    pub(crate) const ALL: [Self; 7] = [
        Self::Idempotent,
        Self::NoFailure,
        Self::Words,
        Self::OfferFirst,
        Self::Types,
        Self::Signatures,
        Self::Window,
    ];

    /// The heading that explains it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Idempotent => "Settling again is not an error",
            Self::NoFailure => "What the reference fails at is refused",
            Self::Words => "A reason is one word",
            Self::OfferFirst => "The offer is looked at first",
            Self::Types => "Members have the types of the specification",
            Self::Signatures => "Signatures are told apart before the chain is asked",
            Self::Window => "No payment is valid for much longer than its offer",
        }
    }
}

impl At {
    fn shows(self, call: Call) -> bool {
        match self {
            Self::Both => true,
            Self::Verify => call == Call::Verify,
            Self::Settle => call == Call::Settle,
        }
    }

    /// As the document writes it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Verify => "`/verify`",
            Self::Settle => "`/settle`",
        }
    }
}

/// One answer that differs.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    pub(crate) at: At,
    pub(crate) reference: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) why: Why,
}

const fn differs(
    case: &'static str,
    at: At,
    reference: &'static str,
    ours: &'static str,
    why: Why,
) -> Difference {
    Difference { case, at, reference, ours, why }
}

/// All that is known.
#[rustfmt::skip]
pub(crate) const ALL: &[Difference] = &[
    differs("settled before, v2", At::Settle, "invalid_exact_evm_nonce_already_used", "yes", Why::Idempotent),
    differs("settled before, v1", At::Settle, "The contract function \"transferWithAuthorization\" reverted with the following reason:", "yes", Why::Idempotent),
    differs("settled before in the other dialect", At::Settle, "The contract function \"transferWithAuthorization\" reverted with the following reason:", "yes", Why::Idempotent),
    differs("an amount with a fraction", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a payee that is no address", At::Both, "HTTP 500", "invalid_payment_requirements", Why::NoFailure),
    differs("no payee", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a network nobody serves here", At::Both, "HTTP 500", "invalid_network", Why::NoFailure),
    differs("a network of another family", At::Both, "HTTP 500", "invalid_network", Why::NoFailure),
    differs("a v1 name in v2", At::Both, "HTTP 500", "invalid_network", Why::NoFailure),
    differs("a CAIP-2 name in v1", At::Both, "HTTP 500", "invalid_network", Why::NoFailure),
    differs("a scheme nobody serves here", At::Both, "HTTP 500", "unsupported_scheme", Why::NoFailure),
    differs("an asset that is no address", At::Both, "HTTP 500", "invalid_payment_requirements", Why::NoFailure),
    differs("a signature that is a number", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a signature that is null", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("no value", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a start that is text", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("no authorization", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a payload that is null", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a payload that is text", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a Permit2 payload", At::Both, "HTTP 500", "unsupported_payload_type", Why::NoFailure),
    differs("a Solana payload", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a version nobody speaks", At::Both, "HTTP 500", "invalid_x402_version", Why::NoFailure),
    differs("version 0", At::Both, "HTTP 500", "invalid_x402_version", Why::NoFailure),
    differs("a version that is text", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a version that is null", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("v1 offer under a v2 payload", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("no payment", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("no offer", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a payment that is null", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("an offer that is a list", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("nothing", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("an empty object", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a list", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("null", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("text that is not JSON", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("half of a request", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("bytes that are not UTF-8", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("a request of 100 KB", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("twenty thousand brackets", At::Both, "HTTP 500", "invalid_payload", Why::NoFailure),
    differs("no money, v1", At::Settle, "The contract function \"transferWithAuthorization\" reverted with the following reason:", "invalid_exact_evm_insufficient_balance", Why::Words),
    differs("a network nobody serves here, v1", At::Both, "invalid_exact_evm_signature", "invalid_network", Why::OfferFirst),
    differs("another name of the token", At::Both, "invalid_exact_evm_signature", "invalid_exact_evm_token_name_mismatch", Why::OfferFirst),
    differs("another version of the token", At::Both, "invalid_exact_evm_signature", "invalid_exact_evm_token_version_mismatch", Why::OfferFirst),
    differs("a version that is a number", At::Both, "invalid_exact_evm_signature", "invalid_exact_evm_missing_eip712_domain", Why::OfferFirst),
    differs("an asset without code", At::Both, "invalid_exact_evm_signature", "invalid_payment_requirements", Why::OfferFirst),
    differs("an asset that is another contract", At::Both, "invalid_exact_evm_signature", "invalid_payment_requirements", Why::OfferFirst),
    differs("an amount that is a number", At::Both, "yes", "invalid_payload", Why::Types),
    differs("an amount below zero", At::Both, "invalid_exact_evm_payload_authorization_value_mismatch", "invalid_payload", Why::Types),
    differs("an amount beyond any balance", At::Both, "invalid_exact_evm_payload_authorization_value_mismatch", "invalid_payload", Why::Types),
    differs("an end beyond all numbers", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("a nonce of 31 bytes", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("a nonce that is a number", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("a payer that is no address", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("no payer", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("a value that is a number", At::Both, "yes", "invalid_payload", Why::Types),
    differs("a value that is hex", At::Both, "yes", "invalid_payload", Why::Types),
    differs("a value below zero", At::Both, "invalid_exact_evm_signature", "invalid_payload", Why::Types),
    differs("no time-out", At::Both, "yes", "invalid_payload", Why::Types),
    differs("a time-out that is text", At::Both, "yes", "invalid_payload", Why::Types),
    differs("s in its upper half", At::Verify, "invalid_exact_evm_transaction_simulation_failed", "invalid_exact_evm_signature", Why::Signatures),
    differs("v of 0 or 1", At::Verify, "invalid_exact_evm_transaction_simulation_failed", "yes", Why::Signatures),
    differs("v of 0 or 1", At::Settle, "invalid_exact_evm_signature", "yes", Why::Signatures),
    differs("a signature that is not hex", At::Both, "invalid_exact_evm_signature", "invalid_exact_evm_failed_to_parse_signature", Why::Signatures),
    differs("a signature that is text", At::Both, "invalid_exact_evm_signature", "invalid_exact_evm_failed_to_parse_signature", Why::Signatures),
    differs("for a day", At::Both, "yes", "invalid_exact_evm_payload_authorization_valid_before", Why::Window),
];

pub(crate) fn of(case: &str, call: Call) -> Option<&'static Difference> {
    ALL.iter().find(|known| known.case == case && known.at.shows(call))
}
