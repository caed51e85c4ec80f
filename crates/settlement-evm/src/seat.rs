//! One turn of an account, and those who share it.
//!
//! Everybody at the table hands in a payment; whoever was first makes the transaction for all that have come, and
//! everybody gets the same one. It leaves once each has said that it is durably theirs ([`crate::dispatch`]).

use crate::account::Account;
use crate::dispatch::Ticket;
use crate::turn::Held;
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use tollwire_ledger::model::{Attempt, Payment};
use tollwire_settlement::ChainError;
use tollwire_settlement::chain::Turn;

/// How long a transaction waits for those at the table who have not handed in their payment. They were all called at
/// the same moment, with next to nothing to do before.
const COLLECT: Duration = Duration::from_millis(50);

/// One turn of one account.
pub(crate) struct Table {
    pub(crate) account: Arc<Account>,
    held: Held,
    round: Mutex<Round>,
    /// How many of those at the table the open round still waits for.
    missing: watch::Sender<usize>,
    /// One transaction of a turn after the other: a second nonce is taken only when the first is the node's.
    sending: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Round {
    seated: usize,
    /// What was handed in for the transaction to be made next; `None` until somebody begins.
    open: Option<Vec<Entry>>,
}

/// A payment that was handed in.
pub(crate) struct Entry {
    pub(crate) payment: Payment,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What became of an entry: the transaction and its share in sending it.
pub(crate) type Answer = Result<(Attempt, Ticket), ChainError>;

/// A seat: what the settlement procedure keeps from before `prepare` until the broadcast was answered.
pub(crate) struct EvmTurn {
    table: Arc<Table>,
    /// The share in sending what was prepared last.
    ticket: Mutex<Option<Ticket>>,
}

impl Turn for EvmTurn {}

/// What an entry's owner does next.
pub(crate) enum Entered {
    /// Make the transaction for all that come.
    First(oneshot::Receiver<Answer>),
    /// Wait for whoever does.
    Later(oneshot::Receiver<Answer>),
}

impl Table {
    pub(crate) fn new(account: Arc<Account>, held: Held) -> Arc<Self> {
        let missing = watch::Sender::new(0);
        Arc::new(Self { account, held, round: Mutex::default(), missing, sending: Arc::default() })
    }

    /// Whether the turn is still this process's.
    pub(crate) fn holds(&self) -> bool {
        self.held.holds()
    }

    pub(crate) fn sit(self: &Arc<Self>) -> EvmTurn {
        self.update(|round| round.seated = round.seated.saturating_add(1));
        EvmTurn { table: Arc::clone(self), ticket: Mutex::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut Round) -> T) -> T {
        let mut round = self.lock();
        let changed = change(&mut round);
        let missing = round.seated.saturating_sub(round.open.as_ref().map_or(0, Vec::len));
        drop(round);
        self.missing.send_replace(missing);
        changed
    }

    pub(crate) fn enter(&self, payment: Payment) -> Entered {
        let (answer, answered) = oneshot::channel();
        let entry = Entry { payment, answer };
        self.update(|round| {
            if let Some(entries) = &mut round.open {
                entries.push(entry);
                return Entered::Later(answered);
            }
            round.open = Some(vec![entry]);
            Entered::First(answered)
        })
    }

    /// For whoever was first: all that come in time, once the turn's transaction before has been sent; with the right
    /// to send the next.
    pub(crate) async fn collect(&self) -> (Vec<Entry>, OwnedMutexGuard<()>) {
        let open = Open(self);
        let mut missing = self.missing.subscribe();
        let all_came = missing.wait_for(|missing| *missing == 0);
        drop(tokio::time::timeout(COLLECT, all_came).await);
        let sending = Arc::clone(&self.sending).lock_owned().await;
        (open.close(), sending)
    }
}

/// The round that its first is collecting for. If that one goes away, nobody waits for it any longer.
struct Open<'a>(&'a Table);

impl Open<'_> {
    fn close(&self) -> Vec<Entry> {
        self.0.update(|round| round.open.take()).unwrap_or_default()
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl EvmTurn {
    /// The seat that a turn is, if it still counts.
    pub(crate) fn of(turn: &dyn Turn) -> Result<&Self, ChainError> {
        let turn: &dyn Any = turn;
        turn.downcast_ref::<Self>().filter(|turn| turn.table.holds()).ok_or(ChainError::Busy)
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Keeps the share in a transaction; that in an earlier one ends.
    pub(crate) fn keep(&self, ticket: Option<Ticket>) {
        *self.ticket.lock().unwrap_or_else(PoisonError::into_inner) = ticket;
    }
}

impl Drop for EvmTurn {
    fn drop(&mut self) {
        self.table.update(|round| round.seated = round.seated.saturating_sub(1));
    }
}
