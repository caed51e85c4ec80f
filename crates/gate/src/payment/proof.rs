//! Proof of possession: what a payer has that the chain does not show.

use crate::error::Error;
use crate::quote::{Quote, proof_hash};
use crate::siwx::SignIn;
use http::HeaderMap;
use subtle::ConstantTimeEq;
use tollwire_ledger::model::{Intent, ProofHash};
use tollwire_x402::header;

/// A secret of the client's choice, sent with its payment and again to collect the answer.
#[derive(Clone)]
pub struct Claim(String);

impl Claim {
    /// Reads `Tollwire-Claim`.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let Some(value) = super::intake::single(headers, header::TOLLWIRE_CLAIM)? else { return Ok(None) };
        match std::str::from_utf8(value) {
            Ok(text) if header::is_claim(value) => Ok(Some(Self(text.to_owned()))),
            _ => Err(Error::malformed(header::TOLLWIRE_CLAIM, header::CLAIM_RULE)),
        }
    }

    /// What the ledger keeps of it.
    pub fn hash(&self) -> ProofHash {
        proof_hash(&self.0)
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claim(..)")
    }
}

/// All proofs a request carries.
#[derive(Debug, Clone, Default)]
pub struct Proofs {
    /// The quote echoed from the offer (v2).
    pub quote: Option<Quote>,
    /// `Tollwire-Claim`.
    pub claim: Option<Claim>,
    /// `SIGN-IN-WITH-X`, not yet checked.
    pub sign_in: Option<SignIn>,
    /// The RFC 7638 thumbprint of the key whose DPoP proof came with the request; the proof was checked.
    pub key: Option<String>,
}

impl Proofs {
    /// Whether quote, claim or key is the one that the payment was recorded with. Secrets are compared in constant time.
    pub fn match_record(&self, intent: &Intent) -> bool {
        let quote = same(self.quote.as_ref().map(Quote::hash), intent.quote);
        let claim = same(self.claim.as_ref().map(Claim::hash), intent.claim);
        quote || claim || (self.key.is_some() && self.key == intent.jkt)
    }
}

fn same(presented: Option<ProofHash>, recorded: Option<ProofHash>) -> bool {
    match (presented, recorded) {
        (Some(presented), Some(recorded)) => bool::from(presented.ct_eq(&recorded)),
        _ => false,
    }
}
