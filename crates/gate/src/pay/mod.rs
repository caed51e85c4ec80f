//! Paying: a payment as presented becomes a session, or more of one, once.
//!
//! ```text
//! identify (form, terms, signature; no I/O) ─┬─ unknown ─▶ buy:     match the size, settle, issue
//!                                            └─ recorded ─▶ collect: check terms and possession, await, issue
//! ```

mod buy;
mod collect;
mod identify;
mod top_up;

pub(crate) use top_up::check_living;

use crate::error::{Error, Unpaid};
use crate::gate::Gate;
use crate::payment::{Dialect, Presented};
use crate::token::Token;
use identify::Target;
use tollwire_ledger::model::{Fate, Payment, Session};
use tollwire_settlement::{Refusal, SettleError, Settled};
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{FeedId, SessionId, reason};

/// What a payment bought.
#[derive(Debug, Clone)]
pub struct Paid {
    /// How it was paid, and so how it is answered.
    pub dialect: Dialect,
    /// The session's `jti`.
    pub jti: SessionId,
    /// How it stands.
    pub session: Session,
    /// Its token.
    pub token: Token,
    /// The settlement, in the payment's dialect.
    pub settlement: SettleResponse,
    /// For a top-up: what the session has used so far, signed.
    pub receipt: Option<String>,
}

impl Gate {
    /// Takes a payment for a session on a feed, or answers one taken before.
    ///
    /// Holds the caller for at most [`GateConfig::settle_wait`](crate::GateConfig::settle_wait). However often,
    /// concurrently and through whichever node one payment is presented, it is settled once and buys one session.
    pub async fn pay(&self, feed: &FeedId, presented: &Presented) -> Result<Paid, Error> {
        let paid = self.take(Target { feed, top_up: None }, presented).await;
        self.count(feed, "session", &paid);
        paid
    }

    fn count(&self, feed: &FeedId, purchase: &'static str, paid: &Result<Paid, Error>) {
        let outcome = match paid {
            Ok(_) => "paid",
            Err(Error::Refused(_)) => "refused",
            Err(Error::Foreign) => "foreign",
            Err(Error::ProofRequired | Error::SignIn(_)) => "unproven",
            Err(Error::Undecided(_)) => "undecided",
            Err(_) => "failed",
        };
        // Labels come from the registry alone: a stranger's path must not grow the metrics.
        let label = self.feeds().get(feed).map_or("", |_| feed.as_str()).to_owned();
        metrics::counter!(
            "tollwire_payments_total", "feed" => label, "purchase" => purchase, "outcome" => outcome
        )
        .increment(1);
    }

    async fn take(&self, target: Target<'_>, presented: &Presented) -> Result<Paid, Error> {
        let attempted = self.identify(target, presented)?;
        match self.ledger.payment(&attempted.identified.id).await? {
            Some(recorded) => self.collect(&attempted, recorded).await,
            None => self.buy(&attempted).await,
        }
    }

    /// Turns the outcome of a settlement into what the payer gets. Nothing but `Credited` yields a session, and
    /// nothing in doubt yields a new bill.
    pub(crate) fn conclude(
        &self,
        presented: &Presented,
        settled: Result<Settled, SettleError>,
    ) -> Result<Paid, Error> {
        match settled {
            Ok(Settled::Credited { payment, session: Some(session), .. }) => {
                self.paid(presented, &payment, *session)
            }
            Ok(Settled::Credited { session: None, .. } | Settled::Foreign) => Err(Error::Foreign),
            Ok(Settled::Unclaimed) => Err(Error::ProofRequired),
            Ok(Settled::Refused(refusal)) => Err(presented.refused(refusal)),
            Ok(Settled::Pending { tx }) => {
                let message = "the transaction is not final yet; send the same payment again";
                Err(presented.undecided(reason::SETTLEMENT_PENDING, message, tx))
            }
            Err(error) => {
                tracing::warn!(%error, "a settlement could not be answered");
                let message = "settlement could not be completed now; send the same payment again";
                Err(presented.undecided(reason::UNEXPECTED_SETTLE_ERROR, message, None))
            }
        }
    }

    fn paid(&self, presented: &Presented, payment: &Payment, session: Session) -> Result<Paid, Error> {
        let intent = &payment.intent;
        let Fate::Credited(landing) = &payment.fate else { return Err(Error::Foreign) };
        let settlement = SettleResponse {
            success: true,
            error_reason: None,
            error_message: None,
            payer: Some(intent.payer.clone()),
            transaction: landing.tx.clone(),
            network: presented.dialect.network(intent.network),
            amount: (presented.dialect == Dialect::V2).then(|| intent.amount.atomic().to_string()),
            extensions: None,
        };
        // Counted from the payment's own time, so that every answer to it says the same.
        let since = if intent.top_up { payment.recorded } else { session.opened };
        let token = self.token(&intent.session, &session, since)?;
        let receipt = intent.top_up.then(|| self.receipt(&intent.session, &session)).transpose()?;
        let (dialect, jti) = (presented.dialect, intent.session.clone());
        Ok(Paid { dialect, jti, session, token, settlement, receipt })
    }
}

impl Presented {
    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        // The two dialects have different words for a wrong amount.
        let reason = match (self.dialect, refusal.reason) {
            (Dialect::V1, reason::EVM_VALUE_MISMATCH) => reason::EVM_VALUE_V1,
            (_, reason) => reason,
        };
        Error::Refused(Box::new(Unpaid {
            dialect: self.dialect,
            reason,
            message: refusal.message,
            payer: refusal.payer,
            tx: None,
            network: self.network_text.clone(),
        }))
    }

    fn undecided(&self, reason: &'static str, message: &str, tx: Option<String>) -> Error {
        Error::Undecided(Box::new(Unpaid {
            dialect: self.dialect,
            reason,
            message: message.to_owned(),
            payer: None,
            tx,
            network: self.network_text.clone(),
        }))
    }
}
