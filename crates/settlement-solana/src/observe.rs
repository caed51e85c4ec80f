//! What became of a transaction, by its signature alone: nobody else can send it, as nobody else has ours.
//!
//! Landed means: on chain as surely as configured, succeeded, and the payee's token account grew by the amount.
//! Dead needs more: failed in a block that is final, or a final block above the last height at which its blockhash is
//! taken, and no trace of it in the cluster's history after that. All else is pending.

use crate::SolanaChain;
use crate::node::{Landed, Level};
use serde_json::Value;
use tollwire_exact::solana::{Said, Transaction};
use tollwire_ledger::model::{Attempt, Landing, Payment};
use tollwire_settlement::{ChainError, Firmness, Observation, Refusal};
use tollwire_x402::reason;

/// Where one transaction stands.
pub(crate) enum Standing {
    /// It succeeded, as surely as configured.
    Landed(Landed),
    /// It failed, in a block that is final.
    Failed(Landed),
    /// It can never land.
    Expired,
    /// Not known yet.
    Open,
}

impl SolanaChain {
    pub(crate) async fn observe_payment(&self, payment: &Payment) -> Result<Observation, ChainError> {
        let Some(attempt) = payment.attempts.first() else { return self.observe_unsigned(payment).await };
        let refusal = |message: &str| {
            Refusal::new(reason::SVM_TRANSACTION_FAILED, message).by(payment.intent.payer.clone())
        };
        match self.standing(attempt).await? {
            Standing::Landed(landed) => self.judge(payment, attempt, &landed).await,
            Standing::Failed(landed) => {
                self.purse.failed(landed.fee, self.config.clock.now());
                Ok(Observation::Failed(refusal("the transaction failed on chain")))
            }
            Standing::Expired => Ok(Observation::Dead(refusal("its blockhash expired before it landed"))),
            Standing::Open => Ok(Observation::Pending(Some(attempt.tx.clone()))),
        }
    }

    /// A payment that we never signed: it can only land if we sign it yet, which ends with its blockhash.
    async fn observe_unsigned(&self, payment: &Payment) -> Result<Observation, ChainError> {
        let over = self.config.clock.now().secs() >= payment.intent.valid_before;
        let payload: Option<Value> = serde_json::from_str(&payment.intent.payload).ok();
        let text = payload.as_ref().and_then(|payload| payload.get("transaction")?.as_str());
        let transaction = text.and_then(|text| Transaction::from_base64(text).ok());
        let Some(transaction) = transaction.filter(|_| over) else { return Ok(Observation::Pending(None)) };
        let blockhash = tollwire_exact::solana::Address::new(transaction.message().blockhash).to_string();
        // Long after it was recorded, a blockhash that is not known is not a new one.
        if self.node.is_valid(&blockhash, Level::Finalized).await? {
            return Ok(Observation::Pending(None));
        }
        let refusal =
            Refusal::new(reason::SVM_TRANSACTION_FAILED, "its blockhash expired before it was sent");
        Ok(Observation::Dead(refusal.by(payment.intent.payer.clone())))
    }

    /// A transaction that succeeded: the money is in the payee's account, or the chain is not the one we know.
    async fn judge(
        &self,
        payment: &Payment,
        attempt: &Attempt,
        landed: &Landed,
    ) -> Result<Observation, ChainError> {
        if self.moved(attempt, landed) == Some(payment.intent.amount.atomic()) {
            let gas = self.in_usdc(landed.fee);
            return Ok(Observation::Landed(Landing { tx: attempt.tx.clone(), block: landed.slot, gas }));
        }
        let why = format!("{} succeeded without the transfer it was made for", attempt.tx);
        tracing::error!(tx = %attempt.tx, "a settled transaction shows another transfer than was signed");
        let settled = self.node.landed(&attempt.tx, Level::Finalized).await?;
        if settled.is_some_and(|landed| !landed.failed && self.moved(attempt, &landed).is_some()) {
            let refusal = Refusal::new(reason::SVM_TRANSFER_NOT_CONFIRMED, why);
            return Ok(Observation::Dead(refusal.by(payment.intent.payer.clone())));
        }
        Err(ChainError::Unavailable(why))
    }

    /// By how much the account that an attempt pays grew.
    pub(crate) fn moved(&self, attempt: &Attempt, landed: &Landed) -> Option<u64> {
        let transaction = Transaction::from_bytes(&attempt.raw).ok()?;
        let payload = serde_json::json!({ "transaction": transaction.to_base64() });
        let destination = Said::read(&payload).destination?;
        let accounts = &transaction.message().accounts;
        let position = accounts.iter().position(|account| *account == destination)?;
        landed.gain(u64::try_from(position).ok()?, &self.info.asset)
    }

    /// Where a transaction stands.
    ///
    /// The order matters. What is final is read first: whatever landed can then be found in the history, and a node that
    /// answers from before that point proves nothing.
    pub(crate) async fn standing(&self, attempt: &Attempt) -> Result<Standing, ChainError> {
        let status = self.node.status(&attempt.tx, false).await?;
        if let Some(found) = status.found {
            let enough = if found.failed { Level::Finalized } else { self.level() };
            if found.level < enough {
                return Ok(Standing::Open);
            }
            return self.landed(attempt, enough, found.failed).await;
        }
        let last_height = attempt.nonce.unwrap_or(u64::MAX);
        let final_end = self.node.head(Level::Finalized).await?;
        if final_end.height <= last_height {
            return Ok(Standing::Open);
        }
        let status = self.node.status(&attempt.tx, true).await?;
        match status.found {
            Some(found) => self.landed(attempt, Level::Finalized, found.failed).await,
            None if status.seen_at >= final_end.slot => Ok(Standing::Expired),
            None => Ok(Standing::Open),
        }
    }

    /// How firmly a landing stands that was credited.
    pub(crate) async fn firmness_of(
        &self,
        payment: &Payment,
        landing: &Landing,
    ) -> Result<Firmness, ChainError> {
        let status = self.node.status(&landing.tx, true).await?;
        Ok(match status.found {
            Some(found) if found.failed && found.level == Level::Finalized => Firmness::Gone,
            // Not as it was credited, and not for good either: no evidence.
            Some(found) if found.failed || found.level < Level::Confirmed => {
                return Err(ChainError::Unavailable(format!("{} is not confirmed now", landing.tx)));
            }
            Some(found) if found.slot != landing.block => {
                Firmness::Moved(Landing { block: found.slot, ..landing.clone() })
            }
            Some(found) if found.level == Level::Finalized => Firmness::Final,
            Some(_) => Firmness::Young,
            None => {
                let attempt = payment.attempts.iter().find(|attempt| attempt.tx == landing.tx);
                let standing = match attempt {
                    Some(attempt) => self.standing(attempt).await?,
                    None => Standing::Open,
                };
                if !matches!(standing, Standing::Expired) {
                    let why = format!("the node does not show {}, which it has shown", landing.tx);
                    return Err(ChainError::Unavailable(why));
                }
                Firmness::Gone
            }
        })
    }

    async fn landed(&self, attempt: &Attempt, level: Level, failed: bool) -> Result<Standing, ChainError> {
        Ok(match self.node.landed(&attempt.tx, level).await? {
            Some(landed) if landed.failed != failed => Standing::Open,
            Some(landed) if failed => Standing::Failed(landed),
            Some(landed) => Standing::Landed(landed),
            None => Standing::Open,
        })
    }
}
