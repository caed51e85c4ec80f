//! A payment recorded before: the same session again, for the payer alone.
//!
//! A settled payment is public: its calldata holds all that a payment header does. So whoever presents one again
//! must show something the chain does not: the quote, the `Tollwire-Claim`, or the payer's signature under a
//! challenge of ours. The one exception is a request that comes before our own broadcast; nobody but the payer can
//! have the payment then.

use super::Paid;
use super::identify::{Attempted, same_account};
use crate::error::Error;
use crate::gate::Gate;
use crate::siwx::{CHALLENGE_TTL, Challenge, SignIn};
use serde_json::Value;
use tollwire_ledger::model::{Fate, Intent, Payment};
use tollwire_settlement::{Refusal, Settled};
use tollwire_x402::{FeedId, reason};

/// Whether a payment landed before any transaction of ours: it was public while it was unknown here, so that not even
/// an early request is proof.
pub(super) fn landed_by_others(payment: &Payment) -> bool {
    payment.attempts.is_empty()
}

impl Gate {
    /// Answers for a payment on record.
    pub(super) async fn collect(&self, attempted: &Attempted<'_>, recorded: Payment) -> Result<Paid, Error> {
        let presented = attempted.presented;
        self.check_purchase(attempted, &recorded)?;
        if let Fate::Abandoned(_) = recorded.fate {
            // Proven never to land, and nobody's session: the payer needs a new bill, whoever asks.
            let settled = self.settler.await_fate(&attempted.identified.id, self.config.settle_wait).await;
            return self.conclude(presented, settled);
        }
        let before_broadcast = recorded.fate == Fate::Pending && recorded.attempts.is_empty();
        if !before_broadcast {
            self.check_possession(attempted, &recorded.intent).await?;
        }
        let settled = self.settler.await_fate(&attempted.identified.id, self.config.settle_wait).await;
        if let Ok(Settled::Credited { payment, .. }) = &settled
            && before_broadcast
            && landed_by_others(payment)
        {
            self.check_possession(attempted, &payment.intent).await?;
        }
        self.conclude(presented, settled)
    }

    /// Whether the payment buys here what it was recorded to buy. Window, balance and nonce do not matter any more.
    fn check_purchase(&self, attempted: &Attempted<'_>, recorded: &Payment) -> Result<(), Error> {
        let (presented, intent) = (attempted.presented, &recorded.intent);
        let quoted = presented.proofs.quote.as_ref().and_then(|quote| self.keys().open_quote(quote));
        let accepted = presented.accepted.as_ref();
        let same = !intent.plain
            && intent.feed == *attempted.feed
            && quoted.is_none_or(|quoted| quoted.feed == *attempted.feed)
            && intent.amount == attempted.identified.amount
            && accepted.is_none_or(|accepted| accepted.amount == intent.amount)
            && presented.network == Some(intent.network)
            && same_account(intent.network, &intent.asset, &attempted.terms.asset)
            && same_account(intent.network, &intent.pay_to, &attempted.terms.pay_to);
        if !same {
            return Err(Error::Foreign);
        }
        // A contract wallet's signature was checked by the chain when the payment was new; now only the very
        // payload it accepted will do.
        let recorded_payload = || serde_json::from_str::<Value>(&intent.payload).ok();
        if !attempted.identified.signature_checked && recorded_payload().as_ref() != Some(&presented.payload)
        {
            let message = "this payment was made with another signature; send the same payload again";
            return Err(presented.refused(Refusal::new(reason::EVM_SIGNATURE, message)));
        }
        Ok(())
    }

    pub(super) async fn check_possession(
        &self,
        attempted: &Attempted<'_>,
        intent: &Intent,
    ) -> Result<(), Error> {
        let proofs = &attempted.presented.proofs;
        if proofs.match_record(intent) {
            return Ok(());
        }
        match &proofs.sign_in {
            Some(sign_in) => self.check_sign_in(attempted.feed, sign_in, &intent.payer).await,
            None => Err(Error::ProofRequired),
        }
    }

    /// Whether the payer signed one of our challenges, a short time ago and for the first time.
    pub(crate) async fn check_sign_in(
        &self,
        feed: &FeedId,
        sign_in: &SignIn,
        payer: &str,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let issued = self.keys().open_challenge(feed, sign_in.nonce(), now);
        let issued = issued.ok_or(Error::SignIn("the challenge is not ours, or its time is over"))?;
        let challenge = self.challenge_for(feed, sign_in.nonce().to_owned(), issued);
        if !sign_in.is_by(&challenge, payer) {
            return Err(Error::SignIn("the signature is not the payer's, or not over this challenge"));
        }
        let key = format!("sign-in:{}", sign_in.nonce());
        if self.ledger.once(&key, CHALLENGE_TTL.saturating_mul(2)).await? {
            Ok(())
        } else {
            Err(Error::SignIn("the challenge was answered before"))
        }
    }

    /// A fresh challenge for a feed.
    pub(crate) fn challenge(&self, feed: &FeedId) -> Result<Challenge, Error> {
        let now = self.clock.now();
        let nonce = self.keys().challenge().mint(feed, now, crate::gate::random()?);
        let issued = tollwire_ledger::Timestamp::from_millis(now.secs().saturating_mul(1000));
        Ok(self.challenge_for(feed, nonce, issued))
    }

    fn challenge_for(&self, feed: &FeedId, nonce: String, issued: tollwire_ledger::Timestamp) -> Challenge {
        let uri = self.config.url(&format!("/feeds/{feed}/session"));
        Challenge { domain: self.config.domain(), uri, nonce, issued }
    }
}
