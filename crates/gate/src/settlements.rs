//! What became of payments that were settled here, looked up by transaction or by the payment's own identity.

use crate::error::Error;
use crate::gate::Gate;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::model::{Fate, Payment};
use tollwire_x402::{Network, PaymentId, Usdc};

/// The most payments of one transaction that are shown; chains settle fewer together.
const PAYMENTS_MAX: usize = 256;

/// How long a chain's newest block is taken to be its newest.
const HEAD_GOOD_FOR: Duration = Duration::from_secs(2);

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not known yet: it may still settle. Or a reorganisation took it away, and it may settle again.
    Pending,
    /// It will never settle.
    Failed,
    /// The money moved.
    Settled,
}

/// What is told of one payment; all of it stands on the chain, or will.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settlement {
    payment: PaymentId,
    pub(crate) status: Status,
    payer: String,
    pay_to: String,
    asset: String,
    amount: Usdc,
    /// The transaction that moved the money, else the last one made for it; empty if none was.
    transaction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_reason: Option<String>,
    /// Blocks from the landing's own to the newest; left out if the chain cannot tell now.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<u64>,
}

/// The newest blocks that were seen.
#[derive(Default)]
pub(crate) struct Heads(Mutex<BTreeMap<Network, (u64, Instant)>>);

impl Gate {
    /// The payments on a network that `name` names: a transaction, or what follows the network in a payment's identity.
    pub(crate) async fn settlements(&self, network: Network, name: &str) -> Result<Vec<Settlement>, Error> {
        let mut found = self.ledger.payments_of(name, PAYMENTS_MAX).await?;
        found.retain(|(_, payment)| payment.intent.network == network);
        if found.is_empty() {
            let name = if network.chain_id().is_some() { name.to_ascii_lowercase() } else { name.to_owned() };
            if let Ok(id) = format!("{network}/{name}").parse::<PaymentId>() {
                found.extend(self.ledger.payment(&id).await?.map(|payment| (id, payment)));
            }
        }
        let landed = found.iter().any(|(_, payment)| matches!(payment.fate, Fate::Credited(_)));
        let head = if landed { self.head(network).await } else { None };
        Ok(found.into_iter().map(|(id, payment)| Settlement::of(id, payment, head)).collect())
    }

    /// The newest block, from the chain or from a moment ago.
    async fn head(&self, network: Network) -> Option<u64> {
        let known = lock(&self.heads.0).get(&network).copied();
        if let Some((head, at)) = known
            && at.elapsed() < HEAD_GOOD_FOR
        {
            return Some(head);
        }
        let head = self.settler.chain(network)?.head().await;
        let head = head.inspect_err(|error| tracing::debug!(%error, "no newest block")).ok()??;
        lock(&self.heads.0).insert(network, (head, Instant::now()));
        Some(head)
    }
}

impl Settlement {
    fn of(id: PaymentId, payment: Payment, head: Option<u64>) -> Self {
        let last = payment.attempts.last().map(|attempt| attempt.tx.clone()).unwrap_or_default();
        let (status, transaction, error_reason, block) = match payment.fate {
            Fate::Pending => (Status::Pending, last, None, None),
            Fate::Abandoned(reason) => (Status::Failed, last, Some(reason), None),
            Fate::Credited(landing) if payment.gone => (Status::Pending, landing.tx, None, None),
            Fate::Credited(landing) => (Status::Settled, landing.tx, None, Some(landing.block)),
        };
        let above = head.zip(block).and_then(|(head, block)| head.checked_sub(block));
        Self {
            payment: id,
            status,
            payer: payment.intent.payer,
            pay_to: payment.intent.pay_to,
            asset: payment.intent.asset,
            amount: payment.intent.amount,
            transaction,
            error_reason,
            confirmations: above.map(|above| above.saturating_add(1)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
