//! Sending a transaction that several payments share: once, and only when each of them has it on record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, watch};
use tollwire_ledger::model::Attempt;
use tollwire_settlement::ChainError;

/// How long a transaction waits for those who have not said that it is on record. Longer, and one slow write would
/// hold up everybody; whoever is late is found by the chain's own logs.
const ON_RECORD_WITHIN: Duration = Duration::from_secs(1);

/// Transactions that were made and not yet sent.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<HashMap<String, Weak<Dispatch>>>);

/// One transaction.
pub(crate) struct Dispatch {
    /// With the signed transaction, which of those who share it only one has on record.
    pub(crate) attempt: Attempt,
    /// How many have neither said that it is on record nor gone.
    awaited: watch::Sender<usize>,
    sending: tokio::sync::Mutex<Sending>,
    /// How often it could not be sent.
    failures: watch::Sender<u32>,
}

struct Sending {
    /// Its outcome, once it is beyond doubt.
    outcome: Option<Result<(), ChainError>>,
    failure: Option<ChainError>,
    /// Keeps the turn's next transaction from being made.
    slot: Option<OwnedMutexGuard<()>>,
}

/// One payment's share in a transaction.
pub(crate) struct Ticket(Arc<Dispatch>);

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Dispatch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a transaction here as long as anybody has a ticket for it: `shares` of them.
    pub(crate) fn put(&self, attempt: &Attempt, shares: usize, slot: OwnedMutexGuard<()>) -> Vec<Ticket> {
        let dispatch = Arc::new(Dispatch {
            attempt: attempt.clone(),
            awaited: watch::Sender::new(shares),
            sending: tokio::sync::Mutex::new(Sending { outcome: None, failure: None, slot: Some(slot) }),
            failures: watch::Sender::new(0),
        });
        let mut outbox = self.lock();
        outbox.retain(|_, dispatch| dispatch.strong_count() > 0);
        outbox.insert(attempt.tx.clone(), Arc::downgrade(&dispatch));
        drop(outbox);
        (0..shares).map(|_| Ticket(Arc::clone(&dispatch))).collect()
    }

    pub(crate) fn find(&self, tx: &str) -> Option<Arc<Dispatch>> {
        self.lock().get(tx).and_then(Weak::upgrade)
    }
}

impl Dispatch {
    /// Says that the transaction is on one payment's record, waits for the others, and has it sent once for all.
    pub(crate) async fn send(
        &self,
        send: impl Future<Output = Result<(), ChainError>>,
    ) -> Result<(), ChainError> {
        self.one_fewer();
        let mut awaited = self.awaited.subscribe();
        let on_record = awaited.wait_for(|awaited| *awaited == 0);
        drop(tokio::time::timeout(ON_RECORD_WITHIN, on_record).await);
        let failures = *self.failures.borrow();
        let mut sending = self.sending.lock().await;
        if let Some(outcome) = &sending.outcome {
            return outcome.clone();
        }
        // What failed while this one waited to try would fail again.
        if *self.failures.borrow() != failures
            && let Some(failure) = &sending.failure
        {
            return Err(failure.clone());
        }
        let answer = send.await;
        match &answer {
            Ok(()) | Err(ChainError::Superseded(_)) => {
                sending.outcome = Some(answer.clone());
                sending.slot = None;
            }
            Err(failure) => {
                sending.failure = Some(failure.clone());
                self.failures.send_modify(|failures| *failures = failures.wrapping_add(1));
            }
        }
        answer
    }

    fn one_fewer(&self) {
        self.awaited.send_modify(|awaited| *awaited = awaited.saturating_sub(1));
    }
}

impl Drop for Ticket {
    /// Whoever goes is not waited for.
    fn drop(&mut self) {
        self.0.one_fewer();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tollwire_ledger::Timestamp;

    async fn outbox(shares: usize) -> (Outbox, Vec<Ticket>) {
        let (outbox, turn) = (Outbox::default(), Arc::new(tokio::sync::Mutex::new(())));
        let slot = turn.lock_owned().await;
        let (tx, signer, at) = ("0x1".into(), "0x2".into(), Timestamp::from_millis(0));
        let attempt = Attempt { tx, raw: vec![2], signer, nonce: Some(0), at };
        let tickets = outbox.put(&attempt, shares, slot);
        (outbox, tickets)
    }

    #[tokio::test(start_paused = true)]
    async fn it_leaves_once_and_only_when_all_have_it_on_record() {
        let (outbox, mut tickets) = outbox(3).await;
        let dispatch = outbox.find("0x1").unwrap();
        let times = AtomicU32::new(0);
        let send = || async {
            times.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let mut first = Box::pin(dispatch.send(send()));
        let soon = Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, &mut first).await.is_err(), "two have not said a word");
        drop(tickets.pop());
        assert!(tokio::time::timeout(soon, &mut first).await.is_err(), "one has not said a word");
        let (first, second) = tokio::join!(first, dispatch.send(send()));
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(times.load(Ordering::Relaxed), 1);
        drop((dispatch, tickets));
        assert!(outbox.find("0x1").is_none(), "nobody needs it any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_not_waited_for_for_ever() {
        let (outbox, _tickets) = outbox(2).await;
        let dispatch = outbox.find("0x1").unwrap();
        assert_eq!(dispatch.send(async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_is_everybodys_but_may_be_tried_again() {
        let (outbox, _tickets) = outbox(2).await;
        let dispatch = outbox.find("0x1").unwrap();
        let tries = AtomicU32::new(0);
        let fail = || async {
            tries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(ChainError::Unavailable("no".into()))
        };
        let (first, second) = tokio::join!(dispatch.send(fail()), dispatch.send(fail()));
        assert!(first.is_err() && first == second);
        assert_eq!(tries.load(Ordering::Relaxed), 1);
        assert_eq!(dispatch.send(async { Ok(()) }).await, Ok(()));
        assert_eq!(dispatch.send(fail()).await, Ok(()), "what is sent is sent");
    }
}
