//! A payment nobody has recorded: which offer it takes, and its settlement.

use super::Paid;
use super::collect::landed_by_others;
use super::identify::{Attempted, same_account};
use crate::error::Error;
use crate::feed::{Dpop, Offer, Tariff};
use crate::gate::{Gate, random};
use crate::payment::Claim;
use crate::quote::{MEMO_PREFIX, Quote};
use std::sync::Arc;
use tollwire_ledger::core::UNITS_MAX;
use tollwire_ledger::model::{Intent, ProofHash};
use tollwire_settlement::{Refusal, Settled};
use tollwire_x402::{FeedId, Network, SessionId, reason};

impl Gate {
    /// Settles a new payment and opens its session, or adds to one.
    ///
    /// Whoever comes here found the payment unrecorded, so before any broadcast of ours: if another request for it
    /// is faster, both get the same answer, without further proof. Unless somebody else had submitted it by then, and it
    /// was public: then only its payer's wallet can claim it.
    pub(super) async fn buy(&self, attempted: &Attempted<'_>) -> Result<Paid, Error> {
        let presented = attempted.presented;
        if self.feeds().get(attempted.target.feed).is_some_and(|entry| entry.feed.paused) {
            return Err(Error::FeedPaused);
        }
        let (tariff, offer) = self.match_offer(attempted)?;
        let memo = self.check_memo(attempted)?;
        let intent = match attempted.target.top_up {
            None => self.opening(attempted, &tariff, &offer)?,
            Some(_) => self.addition(attempted, &tariff, &offer)?,
        };
        let intent = Intent { quote: memo.or(intent.quote), ..intent };
        let id = attempted.identified.id.clone();
        let wait = self.config.settle_wait;
        let settled = self.settler.settle(&offer.requirements, intent.clone(), id.clone(), wait).await;
        if matches!(settled, Ok(Settled::Unclaimed)) {
            // Everything about it is public but the payer's key.
            let sign_in = presented.proofs.sign_in.as_ref().ok_or(Error::ProofRequired)?;
            self.check_sign_in(attempted.target.feed, sign_in, &attempted.identified.payer).await?;
            let claimed = self.settler.claim(&offer.requirements, intent, id, wait).await;
            return self.conclude(presented, claimed);
        }
        if let Ok(Settled::Credited { payment, fresh: false, .. }) = &settled
            && landed_by_others(payment)
        {
            self.check_possession(attempted, &payment.intent).await?;
        }
        self.conclude(presented, settled)
    }

    /// The offer this payment takes: the unique one of its network and signed amount, of the tariff its quote
    /// names. Without a quote, of all tariffs still payable the one that gives most for the amount.
    fn match_offer(&self, attempted: &Attempted<'_>) -> Result<(Arc<Tariff>, Offer), Error> {
        let presented = attempted.presented;
        let target = attempted.target;
        let entry = self.feeds().get(target.feed).ok_or(Error::UnknownFeed)?;
        let quoted = presented.proofs.quote.as_ref().and_then(|quote| self.keys().open_quote(quote));
        if quoted.as_ref().is_some_and(|quoted| !target.is_of(quoted)) {
            return Err(Error::Foreign);
        }
        let amount = attempted.identified.amount;
        let refuse = |reason, message: &str| {
            let refusal = Refusal::new(reason, message).by(attempted.identified.payer.clone());
            Err(presented.refused(refusal))
        };
        if presented.accepted.as_ref().is_some_and(|accepted| accepted.amount != amount) {
            let reason = presented.network.map_or(reason::EVM_VALUE_MISMATCH, reason::amount_mismatch);
            return refuse(reason, "the signed amount is not that of the accepted offer");
        }
        let Some(network) = presented.network else {
            return refuse(reason::INVALID_NETWORK, "pay on a network that was offered");
        };
        let now = self.clock.now();
        let of_quote = |tariff: &&Arc<Tariff>| match &quoted {
            Some(quoted) => tariff.version == quoted.tariff,
            None => true,
        };
        let of_unit = |tariff: &&Arc<Tariff>| target.top_up.is_none_or(|(_, row)| row.unit == tariff.unit);
        let found = entry
            .payable(now)
            .filter(of_quote)
            .filter(of_unit)
            .filter_map(|tariff| Some((tariff, tariff.find(network, amount)?)))
            .max_by_key(|(_, offer)| offer.units);
        match found {
            Some((_, offer))
                if !same_account(network, &offer.requirements.pay_to, &attempted.terms.pay_to) =>
            {
                refuse(reason::recipient_mismatch(network), "pay to the address that was offered")
            }
            Some((tariff, offer)) => Ok((Arc::clone(tariff), offer.clone())),
            None if entry.payable(now).any(|tariff| sells_on(tariff, network)) => refuse(
                reason::amount_mismatch(network),
                "the amount is none of those offered; take a fresh offer",
            ),
            None => refuse(reason::INVALID_NETWORK, "this feed is not sold on that network"),
        }
    }

    /// The memo of a payment, where the chain has one: an offer's binds its payment to what was offered. Gives the hash of
    /// the quote it stands for, so that whoever was given the quote can prove possession of a payment that could not
    /// carry it (v1).
    ///
    /// A payment without any memo of ours is taken, like one without quote: some clients write their own.
    fn check_memo(&self, attempted: &Attempted<'_>) -> Result<Option<ProofHash>, Error> {
        let (presented, target) = (attempted.presented, attempted.target);
        let chain = presented.network.and_then(|network| self.settler.chain(network));
        if !chain.is_some_and(|chain| chain.takes_memo()) {
            return Ok(None);
        }
        let top_up = target.top_up.map(|(jti, _)| jti);
        let keys = self.keys();
        let refuse = |reason, message: &str| {
            let refusal = Refusal::new(reason, message).by(attempted.identified.payer.clone());
            Err(presented.refused(refusal))
        };
        let quote = presented.proofs.quote.as_ref().filter(|quote| keys.open_quote(quote).is_some());
        let mut ours = attempted.memos.iter().filter(|memo| memo.starts_with(MEMO_PREFIX));
        match (ours.next(), ours.next(), quote) {
            (Some(_), Some(_), _) => refuse(reason::SVM_MEMO_COUNT, "write the offer's memo once"),
            (None, _, Some(_)) => refuse(reason::SVM_MEMO_COUNT, "write the offer's memo, extra.memo"),
            (None, _, None) => Ok(None),
            (Some(memo), None, Some(quote)) => {
                if keys.memos(quote, target.feed, top_up).any(|made| made == *memo) {
                    return Ok(Some(quote.hash()));
                }
                refuse(reason::SVM_MEMO_MISMATCH, "the memo is not the offer's")
            }
            (Some(memo), None, None) => match keys.open_memo(memo, target.feed, top_up) {
                Some(hash) => Ok(Some(hash)),
                None => refuse(reason::SVM_MEMO_MISMATCH, "the memo is of another offer"),
            },
        }
    }

    /// What opens a session. Its tokens are bound to the key that proved itself beside the payment, if the feed has that.
    fn opening(&self, attempted: &Attempted<'_>, tariff: &Tariff, offer: &Offer) -> Result<Intent, Error> {
        let dpop = self.feeds().get(attempted.target.feed).map_or(Dpop::Optional, |entry| entry.feed.dpop);
        let key = attempted.presented.proofs.key.clone();
        if dpop == Dpop::Required && key.is_none() {
            return Err(Error::KeyRequired);
        }
        let intent = self.intent(attempted, tariff, offer, new_session_id()?);
        Ok(Intent { jkt: key.filter(|_| dpop != Dpop::Off), ..intent })
    }

    /// What adds to a session: paid by the wallet that opened it, on the same network, so that whatever is left goes back
    /// to one payer in one place.
    fn addition(&self, attempted: &Attempted<'_>, tariff: &Tariff, offer: &Offer) -> Result<Intent, Error> {
        let Some((jti, session)) = attempted.target.top_up else { return Err(Error::SessionUnknown) };
        let (presented, payer) = (attempted.presented, &attempted.identified.payer);
        let refuse =
            |reason, message: &str| Err(presented.refused(Refusal::new(reason, message).by(payer.clone())));
        if offer.network != session.network {
            return refuse(reason::INVALID_NETWORK, "a session is topped up on the network it was paid on");
        }
        if !same_account(session.network, payer, &session.payer) {
            let message = "a session is topped up by the wallet that paid for it";
            return refuse(reason::INVALID_PAYMENT_REQUIREMENTS, message);
        }
        let bought = session.bought.checked_add(offer.units).filter(|bought| *bought <= UNITS_MAX);
        if bought.is_none() || session.deposited.checked_add(offer.requirements.amount).is_none() {
            return refuse(reason::INVALID_PAYMENT_REQUIREMENTS, "the session cannot hold as many units");
        }
        let intent = self.intent(attempted, tariff, offer, jti.clone());
        let (jkt, provider) = (session.jkt.clone(), session.provider.clone());
        Ok(Intent { top_up: true, jkt, provider, ..intent })
    }

    /// Who earns what a session opened now uses.
    fn provider_of(&self, feed: &FeedId, network: Network) -> Option<String> {
        self.feeds().get(feed)?.feed.provider_wallet.get(&network).cloned()
    }

    fn intent(
        &self,
        attempted: &Attempted<'_>,
        tariff: &Tariff,
        offer: &Offer,
        session: SessionId,
    ) -> Intent {
        let (presented, identified) = (attempted.presented, &attempted.identified);
        let balance_ttl_ms = u64::try_from(self.config.balance_ttl.as_millis()).unwrap_or(u64::MAX);
        Intent {
            session,
            feed: attempted.target.feed.clone(),
            unit: tariff.unit,
            units: offer.units,
            amount: identified.amount,
            tariff: tariff.version,
            network: offer.network,
            chain: offer.chain.clone(),
            asset: offer.requirements.asset.clone(),
            payer: identified.payer.clone(),
            pay_to: offer.requirements.pay_to.clone(),
            quote: presented.proofs.quote.as_ref().map(Quote::hash),
            claim: presented.proofs.claim.as_ref().map(Claim::hash),
            valid_before: identified.valid_before,
            payload: presented.payload.to_string(),
            balance_ttl_ms,
            plain: false,
            top_up: false,
            jkt: None,
            provider: self.provider_of(attempted.target.feed, offer.network),
        }
    }
}

fn sells_on(tariff: &Tariff, network: Network) -> bool {
    tariff.offers.iter().any(|offer| offer.network == network)
}

/// A random version 4 UUID.
fn new_session_id() -> Result<SessionId, Error> {
    let uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    uuid.to_string().parse().map_err(Error::from)
}
