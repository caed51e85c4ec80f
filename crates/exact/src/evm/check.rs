//! The checks of the `exact` scheme that need no chain, in the order of the reference facilitator.

use super::{Address, Domain, Payload, Refusal, Signature, Signers};
use serde_json::Value;
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, PaymentId, reason};

/// An authorization must stay valid this many seconds longer, so that its transaction can land.
pub const VALID_BEFORE_MARGIN: u64 = 6;

/// An authorization may stay valid this many seconds longer than the offer's `maxTimeoutSeconds`; clocks differ.
pub const VALIDITY_SLACK: u64 = 60;

/// The x402 version that the refusal speaks; the two name a wrong amount differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// x402 v1.
    V1,
    /// x402 v2.
    V2,
}

/// A payload that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The payment's identity.
    pub id: PaymentId,
    /// What was signed, by whom.
    pub payload: Payload,
    /// The domain it was signed for: chain, token contract, and the names the offer gives it.
    pub domain: Domain,
    /// True if the payer's own key has signed. **False is not yet a payment**: only a contract at the payer's
    /// address could accept the signature (EIP-1271), and only the chain knows. Where there are no contracts,
    /// call [`Checked::own_key`].
    ///
    /// True is not the last word either: an account that has code (EIP-7702) is asked on chain as well.
    pub signature_checked: bool,
}

impl Checked {
    /// Refuses what the payer's own key has not signed.
    pub fn own_key(self) -> Result<Self, Refusal> {
        if self.signature_checked { Ok(self) } else { Err(not_the_payers(&self.payload.authorization.from)) }
    }

    /// The payer.
    pub fn payer(&self) -> Address {
        self.payload.authorization.from
    }
}

/// Every check that needs neither the chain nor the time: scheme, EIP-712 domain, network, form, signature,
/// recipient, exact amount.
///
/// `requirements` is the offer in v2 form; `payload` the scheme's JSON.
pub fn check_static(
    requirements: &PaymentRequirements,
    payload: &Value,
    dialect: Dialect,
) -> Result<Checked, Refusal> {
    check(requirements, payload, dialect, None, &Signers::default())
}

/// [`check_static`], with what is known of signatures seen before.
pub fn check_static_by(
    signers: &Signers,
    requirements: &PaymentRequirements,
    payload: &Value,
    dialect: Dialect,
) -> Result<Checked, Refusal> {
    check(requirements, payload, dialect, None, signers)
}

/// [`check_static`], and the authorization's window at `now` (seconds since the epoch) in its place of the order.
pub fn check_at(
    requirements: &PaymentRequirements,
    payload: &Value,
    dialect: Dialect,
    now: u64,
) -> Result<Checked, Refusal> {
    check(requirements, payload, dialect, Some(now), &Signers::default())
}

/// [`check_at`], with what is known of signatures seen before.
pub fn check_at_by(
    signers: &Signers,
    requirements: &PaymentRequirements,
    payload: &Value,
    dialect: Dialect,
    now: u64,
) -> Result<Checked, Refusal> {
    check(requirements, payload, dialect, Some(now), signers)
}

/// The numbers are the steps of the reference order; 4, 5, 11 and 12 ask the chain.
fn check(
    requirements: &PaymentRequirements,
    payload: &Value,
    dialect: Dialect,
    now: Option<u64>,
    signers: &Signers,
) -> Result<Checked, Refusal> {
    let (domain, pay_to) = read_offer(requirements)?; // 1, 2, 3
    let payload = Payload::parse(payload).map_err(|refusal| speak(refusal, dialect))?;
    let signed = &payload.authorization;
    let by_payer = |reason, message: String| Err(Refusal::new(reason, message).by(&signed.from));
    let signature_checked = check_signature(&payload, &domain, signers)?; // 6
    if signed.to != pay_to {
        return by_payer(reason::EVM_RECIPIENT_MISMATCH, format!("to is not the offer's payTo, {pay_to}")); // 7
    }
    if let Some(now) = now {
        let latest = now.saturating_add(requirements.max_timeout_seconds).saturating_add(VALIDITY_SLACK);
        if signed.valid_before < now.saturating_add(VALID_BEFORE_MARGIN) || signed.valid_before > latest {
            return by_payer(
                reason::EVM_VALID_BEFORE,
                format!(
                    "validBefore must lie at least {VALID_BEFORE_MARGIN} s ahead, and at most maxTimeoutSeconds + {VALIDITY_SLACK} s"
                ),
            ); // 8
        }
        if signed.valid_after > now {
            return by_payer(reason::EVM_VALID_AFTER, "validAfter lies ahead; write 0".into()); // 9
        }
    }
    if signed.value != requirements.amount {
        let wanted = requirements.amount.atomic();
        let refusal =
            Refusal::new(reason::EVM_VALUE_MISMATCH, format!("value is not exactly the price, {wanted}"));
        return Err(speak(refusal, dialect).by(&signed.from)); // 10
    }
    Ok(Checked { id: payload.id(&domain), payload, domain, signature_checked })
}

fn read_offer(requirements: &PaymentRequirements) -> Result<(Domain, Address), Refusal> {
    if requirements.scheme != "exact" {
        return Err(Refusal::new(reason::UNSUPPORTED_SCHEME, "scheme is not exact"));
    }
    let (Some(name), Some(version)) = (requirements.extra_str("name"), requirements.extra_str("version"))
    else {
        return Err(Refusal::new(
            reason::EVM_MISSING_EIP712_DOMAIN,
            "extra.name and extra.version of the offer name the token's EIP-712 domain",
        ));
    };
    if !matches!(requirements.extra_str("assetTransferMethod"), None | Some("eip3009")) {
        return Err(Refusal::new(
            reason::UNSUPPORTED_PAYLOAD_TYPE,
            "extra.assetTransferMethod is not eip3009",
        ));
    }
    let chain_id = requirements.known_network().and_then(Network::chain_id).ok_or_else(|| {
        Refusal::new(reason::INVALID_NETWORK, "network is not a CAIP-2 identifier such as eip155:8453")
    })?;
    let address = |field: &str, text: &str| {
        text.parse().map_err(|_| {
            Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, format!("{field} is not an EVM address"))
        })
    };
    let contract = address("asset", &requirements.asset)?;
    let pay_to = address("payTo", &requirements.pay_to)?;
    Ok((Domain { name: name.into(), version: version.into(), chain_id, contract }, pay_to))
}

/// Whether the payer's own key has signed. An ill-formed 65-byte signature is refused outright: no account
/// makes one, and a wallet contract that did would be indistinguishable from a forgery in the making.
fn check_signature(payload: &Payload, domain: &Domain, signers: &Signers) -> Result<bool, Refusal> {
    let from = &payload.authorization.from;
    if payload.signature.is_empty() {
        return Err(not_the_payers(from));
    }
    if payload.signature.len() != Signature::BYTES {
        return Ok(false);
    }
    let signer = signers
        .recover(payload, domain)
        .map_err(|error| Refusal::new(reason::EVM_SIGNATURE, error.to_string()).by(from))?;
    Ok(signer == *from)
}

fn not_the_payers(from: &Address) -> Refusal {
    Refusal::new(
        reason::EVM_SIGNATURE,
        "signature is not the payer's; check chain, asset, extra.name and extra.version in the signed domain",
    )
    .by(from)
}

/// v1 readers match on another string for a wrong amount.
fn speak(mut refusal: Refusal, dialect: Dialect) -> Refusal {
    if dialect == Dialect::V1 && refusal.reason == reason::EVM_VALUE_MISMATCH {
        refusal.reason = reason::EVM_VALUE_V1;
    }
    refusal
}

#[cfg(test)]
mod tests;
