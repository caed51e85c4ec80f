//! Who pays what to whom, where: all that can be read off a payment without asking anyone.

use crate::error::Error;
use crate::feed::SCHEME;
use crate::gate::Gate;
use crate::payment::Presented;
use crate::quote::Quoted;
use std::sync::Arc;
use tollwire_ledger::model::{Intent, Session};
use tollwire_settlement::{Chain, Identified, Refusal};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{FeedId, Network, SessionId, reason};

/// What a payment is presented for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) feed: &'a FeedId,
    /// The session that units are added to, as it stood when the payment came; `None` opens a new one.
    pub(super) top_up: Option<(&'a SessionId, &'a Session)>,
}

impl Target<'_> {
    /// Whether a quote was made for this.
    pub(super) fn is_of(&self, quoted: &Quoted) -> bool {
        quoted.feed == *self.feed && quoted.top_up.as_ref() == self.top_up.map(|(jti, _)| jti)
    }

    /// Whether a payment was recorded for this.
    pub(super) fn was_of(&self, intent: &Intent) -> bool {
        let recorded = intent.top_up.then_some(&intent.session);
        !intent.plain && intent.feed == *self.feed && recorded == self.top_up.map(|(jti, _)| jti)
    }
}

/// A payment under way: what was presented, and what is known of it.
pub(super) struct Attempted<'a> {
    pub(super) target: Target<'a>,
    pub(super) presented: &'a Presented,
    /// What was signed, in the form of an offer.
    pub(super) terms: PaymentRequirements,
    /// The texts that go with it on the chain.
    pub(super) memos: Vec<String>,
    pub(super) identified: Identified,
}

impl Gate {
    /// Checks form, scheme, network, asset and signature, and computes the payment's identity.
    ///
    /// Amount and payee are taken as signed: whether they were offered is a question for new payments only, and a
    /// payment on record must be recognised under prices and wallets that have changed since.
    pub(super) fn identify<'a>(
        &self,
        target: Target<'a>,
        presented: &'a Presented,
    ) -> Result<Attempted<'a>, Error> {
        let refused = |reason, message: &str| Err(presented.refused(Refusal::new(reason, message)));
        if presented.scheme != SCHEME {
            return refused(reason::UNSUPPORTED_SCHEME, "pay by the scheme exact");
        }
        let Some(chain) = self.chain_of(presented) else {
            return refused(reason::INVALID_NETWORK, "pay on a network that was offered");
        };
        let info = chain.info();
        let accepted = presented.accepted.as_ref();
        let said = chain.said(&presented.payload);
        let terms = PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: info.network.to_string(),
            amount: said.amount.or(accepted.map(|accepted| accepted.amount)).unwrap_or_default(),
            asset: info.asset.clone(),
            pay_to: said.pay_to.unwrap_or_else(|| info.deposit_wallet.clone()),
            max_timeout_seconds: self.config.offer_timeout.as_secs(),
            extra: Some(info.offer_extra.clone()),
        };
        if accepted.is_some_and(|accepted| !same_account(info.network, &accepted.asset, &terms.asset)) {
            return refused(reason::INVALID_PAYMENT_REQUIREMENTS, "pay in an asset that was offered");
        }
        if accepted.is_some_and(|accepted| !same_account(info.network, &accepted.pay_to, &terms.pay_to)) {
            return refused(reason::recipient_mismatch(info.network), "pay to the address that was offered");
        }
        let identified = chain.identify(&terms, &presented.payload);
        let identified = identified.map_err(|refusal| presented.refused(refusal))?;
        Ok(Attempted { target, presented, terms, memos: said.memos, identified })
    }

    fn chain_of(&self, presented: &Presented) -> Option<&Arc<dyn Chain>> {
        self.settler.chain(presented.network?)
    }
}

/// Whether two texts name one account of a network. EVM addresses are the same in any case.
pub(super) fn same_account(network: Network, a: &str, b: &str) -> bool {
    match network {
        Network::Eip155(_) => a.eq_ignore_ascii_case(b),
        Network::Solana(_) => a == b,
    }
}
