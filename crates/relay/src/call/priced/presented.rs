//! A payment as it was presented with a call: which it is, what it pays for, and what shows that its payer sent it.

use super::bill::{EXTENSION, Unpaid};
use super::offers::{Offer, SCHEME};
use super::row;
use crate::call::CallError;
use crate::call::payment::PAYMENT_HEADERS;
use crate::call::request::ApiRequest;
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tollwire_exact::{evm, solana};
use tollwire_gate::siwx::SignIn;
use tollwire_x402::facilitator::Request;
use tollwire_x402::v2::{Extra, PaymentRequirements, ResourceInfo};
use tollwire_x402::{Network, Payment, PaymentId, SessionId, Usdc, bill, header, reason};

/// The extension by which a client names its payment.
const PAYMENT_IDENTIFIER: &str = "payment-identifier";

/// SHA-256 of something.
pub(super) type Hash = [u8; 32];

/// What a request carries of payments. None of it reaches the API.
pub(super) struct Carried {
    pub(super) payment: Option<Payment>,
    /// A session token.
    pub(super) session: Option<String>,
    claim: Option<Hash>,
    /// A wallet's answer to a challenge, not yet checked.
    pub(super) sign_in: Option<SignIn>,
}

/// A payment that answers an offer of ours, its form in order and its signature too where a key signed it.
#[derive(Debug, Clone)]
pub(super) struct Presented {
    /// The name of its row.
    pub(super) key: String,
    pub(super) payer: String,
    /// Seconds since the epoch; 0 where that cannot be told.
    pub(super) valid_before: u64,
    pub(super) means: Means,
    /// The client's own name for it, and the payer's.
    pub(super) alias: Option<String>,
    /// The scheme's payload.
    pub(super) payload: Hash,
    /// Whether nobody but the payer can have signed it.
    pub(super) signature_checked: bool,
    /// What is called.
    pub(super) fingerprint: Hash,
    pub(super) proofs: Proofs,
}

/// What pays.
#[derive(Debug, Clone)]
pub(super) enum Means {
    /// A payment: what the facilitator is asked.
    Payment(Box<Request>),
    /// A prepaid account, and how much it is charged.
    Account(SessionId, Usdc),
}

/// Hashes of what the payer has and the chain does not show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Proofs {
    pub(super) quote: Option<Hash>,
    pub(super) claim: Option<Hash>,
}

impl Proofs {
    /// Whether these show what was shown with the payment. Compared in constant time.
    pub(super) fn show(&self, recorded: &Self) -> bool {
        let same = |shown: Option<Hash>, recorded: Option<Hash>| match (shown, recorded) {
            (Some(shown), Some(recorded)) => bool::from(shown.ct_eq(&recorded)),
            _ => false,
        };
        let (quote, claim) = (same(self.quote, recorded.quote), same(self.claim, recorded.claim));
        quote || claim
    }
}

/// Takes what is about payments out of a request's headers.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Carried, CallError> {
    let payment = {
        let [signature, x_payment] =
            [single(headers, header::PAYMENT_SIGNATURE)?, single(headers, header::X_PAYMENT)?];
        Payment::read(signature, x_payment).map_err(|error| {
            tracing::debug!(%error, "a payment that cannot be read");
            CallError::malformed(
                "payment",
                "send one x402 payload of version 1 or 2, as its specification has it",
            )
        })?
    };
    let claim = single(headers, header::TOLLWIRE_CLAIM)?
        .map(|claim| secret(claim).ok_or(CallError::malformed("Tollwire-Claim", header::CLAIM_RULE)));
    let claim = claim.transpose()?;
    let session = single(headers, header::TOLLWIRE_SESSION)?
        .map(|token| std::str::from_utf8(token).map(str::to_owned))
        .transpose()
        .map_err(|_| CallError::malformed(header::TOLLWIRE_SESSION, "send a session token"))?;
    let sign_in = single(headers, header::SIGN_IN_WITH_X)?
        .map(SignIn::decode)
        .transpose()
        .map_err(|_| CallError::malformed(header::SIGN_IN_WITH_X, "send a signed challenge"))?;
    let ours = [header::TOLLWIRE_CLAIM, header::TOLLWIRE_SESSION, header::SIGN_IN_WITH_X];
    for name in PAYMENT_HEADERS.into_iter().chain(ours) {
        headers.remove(name);
    }
    Ok(Carried { payment, session, claim, sign_in })
}

fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, CallError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(CallError::malformed(name, "send it once"));
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}

fn secret(text: &[u8]) -> Option<Hash> {
    header::is_claim(text).then(|| Sha256::digest(text).into())
}

impl Presented {
    /// Reads a payment for a call: does it answer one of these offers?
    pub(super) fn read(
        payment: &Payment,
        claim: Option<Hash>,
        offers: &[Offer],
        resource: &ResourceInfo,
        fingerprint: Hash,
    ) -> Result<Self, Unpaid> {
        let refused = |reason: &str, message: String, payer: Option<String>| Unpaid {
            dialect: payment.dialect(),
            reason: reason.to_owned(),
            message,
            payer,
            network: payment.network_text().to_owned(),
        };
        let offer = offers.iter().find(|offer| answers(payment, offer)).ok_or_else(|| {
            let message = "this payment answers none of the offers; pay one of these".to_owned();
            refused(reason::INVALID_PAYMENT_REQUIREMENTS, message, None)
        })?;
        let identified = identify(offer.network, &offer.requirements, payment)
            .map_err(|(reason, message, payer)| refused(reason, message, payer))?;
        let request = request(payment, &offer.requirements, resource).ok_or_else(|| {
            refused(reason::INVALID_NETWORK, "pay this by version 2 of x402".to_owned(), None)
        })?;
        let extensions = match payment {
            Payment::V1(_) => None,
            Payment::V2(payment) => payment.extensions.as_ref(),
        };
        let quote = extensions.and_then(|all| info(all, EXTENSION, "quote"));
        let named = extensions.and_then(|all| info(all, PAYMENT_IDENTIFIER, "id"));
        Ok(Self {
            alias: named.map(|name| format!("{}/{name}", identified.payer)),
            key: row::key(&identified.id),
            payer: identified.payer,
            valid_before: identified.valid_before,
            signature_checked: identified.signature_checked,
            means: Means::Payment(Box::new(request)),
            payload: Sha256::digest(payment.payload().to_string()).into(),
            fingerprint,
            proofs: Proofs { quote: quote.and_then(|quote| secret(quote.as_bytes())), claim },
        })
    }

    /// A call that an account pays for. Its claim is its name: the same one is the same call.
    pub(super) fn of_account(
        account: &SessionId,
        amount: Usdc,
        claim: Option<Hash>,
        fingerprint: Hash,
    ) -> Result<Self, CallError> {
        let mut fresh = Hash::default();
        getrandom::fill(&mut fresh).map_err(|_| CallError::CannotBePaid)?;
        let name = claim.unwrap_or(fresh);
        Ok(Self {
            key: row::account_key(account, &name),
            payer: account.to_string(),
            valid_before: 0,
            means: Means::Account(account.clone(), amount),
            alias: None,
            payload: Hash::default(),
            signature_checked: true,
            fingerprint,
            proofs: Proofs { quote: None, claim },
        })
    }
}

impl Carried {
    pub(super) const fn claim(&self) -> Option<Hash> {
        self.claim
    }
}

/// What is called: the same for every way of calling it.
pub(super) fn fingerprint(api: &str, request: &ApiRequest) -> Hash {
    let mut hash = Sha256::new();
    for part in [api.as_bytes(), request.method.as_str().as_bytes(), request.path.as_bytes(), &request.body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A text in an extension's `info`.
fn info<'a>(all: &'a Extra, extension: &str, field: &str) -> Option<&'a str> {
    let text = all.get(extension)?.get("info")?.get(field)?.as_str()?;
    let fits = (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    fits.then_some(text)
}

/// Whether a payment says that it takes this offer. What it signed is looked at after that.
fn answers(payment: &Payment, offer: &Offer) -> bool {
    let ours = &offer.requirements;
    let same = |a: &str, b: &str| match offer.network {
        Network::Eip155(_) => a.eq_ignore_ascii_case(b),
        Network::Solana(_) => a == b,
    };
    match payment {
        Payment::V1(payment) => {
            offer.v1 && payment.scheme == SCHEME && offer.network.v1_name() == Some(payment.network.as_str())
        }
        Payment::V2(payment) => {
            let taken = &payment.accepted;
            taken.scheme == ours.scheme
                && taken.network == ours.network
                && taken.amount == ours.amount
                && same(&taken.asset, &ours.asset)
                && same(&taken.pay_to, &ours.pay_to)
        }
    }
}

/// The facilitator's question: our own offer, and the payment without what is between its payer and us: the quote, and the
/// name, which a facilitator would take for that of one payment among all its customers'.
fn request(payment: &Payment, offer: &PaymentRequirements, resource: &ResourceInfo) -> Option<Request> {
    Some(match payment {
        Payment::V1(payment) => Request::V1(payment.clone(), bill::legacy(resource, offer)?),
        Payment::V2(payment) => {
            let mut payment = (**payment).clone();
            if let Some(extensions) = &mut payment.extensions {
                extensions.remove(EXTENSION);
                extensions.remove(PAYMENT_IDENTIFIER);
            }
            payment.extensions = payment.extensions.filter(|extensions| !extensions.is_empty());
            Request::V2(payment, offer.clone())
        }
    })
}

struct Identified {
    id: PaymentId,
    payer: String,
    valid_before: u64,
    signature_checked: bool,
}

type Refused = (&'static str, String, Option<String>);

/// Every check that needs neither chain nor time, and the payment's identity.
fn identify(network: Network, offer: &PaymentRequirements, payment: &Payment) -> Result<Identified, Refused> {
    match network {
        Network::Eip155(_) => {
            let dialect = match payment {
                Payment::V1(_) => evm::Dialect::V1,
                Payment::V2(_) => evm::Dialect::V2,
            };
            let checked = evm::check_static(offer, payment.payload(), dialect)
                .map_err(|refusal| (refusal.reason, refusal.message, refusal.payer))?;
            Ok(Identified {
                payer: checked.payer().to_string(),
                valid_before: checked.payload.authorization.valid_before,
                signature_checked: checked.signature_checked,
                id: checked.id,
            })
        }
        Network::Solana(_) => on_solana(offer, payment.payload()),
    }
}

/// What a facilitator spends on it is the facilitator's to bound; here it only has to be what it says it is.
fn on_solana(offer: &PaymentRequirements, payload: &Value) -> Result<Identified, Refused> {
    let missing = || {
        let message = "the facilitator names no fee payer".to_owned();
        (reason::SVM_MISSING_FEE_PAYER, message, None)
    };
    let fee_payer = offer.extra_str("feePayer").and_then(|text| text.parse().ok()).ok_or_else(missing)?;
    let limits = solana::Limits {
        fee_payer,
        own: vec![fee_payer],
        signatures_max: 4,
        units_max: u32::MAX,
        price_max: u64::MAX,
        fee_max: u64::MAX,
    };
    let checked = solana::check(offer, payload, &limits)
        .map_err(|refusal| (refusal.reason, refusal.message, refusal.payer.map(|payer| payer.to_string())))?;
    Ok(Identified {
        id: checked.id,
        payer: checked.payer.to_string(),
        valid_before: 0,
        signature_checked: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_shown_before_proves_possession() {
        let [one, other] = [secret(b"0123456789abcdef"), secret(b"fedcba9876543210")];
        let proofs = |quote, claim| Proofs { quote, claim };
        assert!(proofs(one, None).show(&proofs(one, other)));
        assert!(proofs(None, other).show(&proofs(one, other)));
        for (shown, recorded) in [
            (proofs(None, None), proofs(None, None)),
            (proofs(None, None), proofs(one, one)),
            (proofs(other, None), proofs(one, None)),
            (proofs(one, None), proofs(None, one)),
        ] {
            assert!(!shown.show(&recorded), "{shown:?} {recorded:?}");
        }
        assert_eq!(secret(b"too short"), None);
        assert_eq!(secret(&[b'x'; 257]), None);
    }

    #[test]
    fn a_fingerprint_is_of_the_whole_call() {
        let request = |method: http::Method, path: &str, body: &'static [u8]| ApiRequest {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::from_static(body),
            paid: false,
        };
        let all = [
            fingerprint("a", &request(http::Method::GET, "/b", b"")),
            fingerprint("a", &request(http::Method::POST, "/b", b"")),
            fingerprint("a", &request(http::Method::GET, "/b?", b"")),
            fingerprint("a", &request(http::Method::GET, "/", b"b")),
            fingerprint("aG", &request(http::Method::GET, "/b", b"")),
        ];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(at));
        }
    }
}
