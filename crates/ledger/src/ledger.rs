//! The interface every store implements.

use crate::command::Entry;
use crate::model::{Payment, Payout, PayoutId, Provider, ProviderAccount, Refund, RefundId, Session, Stream};
use crate::spend::{Charge, Spent};
use crate::{Command, Error, Outcome, PayoutCommand, PayoutOutcome, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tollwire_x402::{PaymentId, SessionId, StreamId, Usdc};

/// The longest lease that a store of one process may keep in memory alone ([`Ledger::lease`]).
pub const WORKING_LEASE_MAX: Duration = Duration::from_mins(5);

/// A boxed future, so that `Arc<dyn Ledger>` works.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A durable ledger. `Ok` means durable, as far as the store was configured to promise.
///
/// Two exceptions. What a command that captures nothing merely sets aside or gives back (`Hold`, `Void`, an `End` of
/// nothing used) may become durable up to a second later, with the next command that is. To lose it in a crash is what
/// its own lease would have come to. And a `Record` may become durable with the `Attach` or `Credit` that follows: until
/// then nothing has left the house, and whoever comes again is recorded again.
pub trait Ledger: Send + Sync {
    /// Applies one command, atomically.
    fn apply(&self, command: Command) -> BoxFuture<'_, Result<Outcome, Error>>;

    /// A payment, by its identity.
    fn payment(&self, id: &PaymentId) -> BoxFuture<'_, Result<Option<Payment>, Error>>;

    /// A session.
    fn session(&self, id: &SessionId) -> BoxFuture<'_, Result<Option<Session>, Error>>;

    /// A stream of a session.
    fn stream(&self, session: &SessionId, id: &StreamId) -> BoxFuture<'_, Result<Option<Stream>, Error>>;

    /// A session's journal, oldest first.
    fn journal(&self, session: &SessionId) -> BoxFuture<'_, Result<Vec<Entry>, Error>>;

    /// Payments that a transaction was made for or moved the money of, in identity order, at most `limit`. Several share
    /// one where a chain settles them together; another chain may have a transaction of the same hash.
    fn payments_of(&self, tx: &str, limit: usize) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>>;

    /// Payments whose fate is pending: at most `limit`, those after `after` in identity order.
    fn in_doubt(
        &self,
        after: Option<&PaymentId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PaymentId, Payment)>, Error>>;

    /// A refund.
    fn refund(&self, id: &RefundId) -> BoxFuture<'_, Result<Option<Refund>, Error>>;

    /// Refunds that are pending: at most `limit`, those after `after` in the order of sessions, then numbers.
    fn refunds_in_doubt(
        &self,
        after: Option<&RefundId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(RefundId, Refund)>, Error>>;

    /// Applies one command of a provider's account, atomically.
    fn pay_out(&self, command: PayoutCommand) -> BoxFuture<'_, Result<PayoutOutcome, Error>>;

    /// A provider's account.
    fn provider(&self, account: &ProviderAccount) -> BoxFuture<'_, Result<Option<Provider>, Error>>;

    /// Providers' accounts in the order of their texts after `after`, at most `limit`.
    fn providers(
        &self,
        after: Option<&ProviderAccount>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(ProviderAccount, Provider)>, Error>>;

    /// A payout.
    fn payout(&self, id: &PayoutId) -> BoxFuture<'_, Result<Option<Payout>, Error>>;

    /// Payouts that are sealed and pending: at most `limit`, those after `after` in the order of accounts, then numbers.
    fn payouts_in_doubt(
        &self,
        after: Option<&PayoutId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(PayoutId, Payout)>, Error>>;

    /// What an account has gathered in all from each of these sessions, in the order asked.
    fn gathered(
        &self,
        account: &ProviderAccount,
        sessions: Vec<SessionId>,
    ) -> BoxFuture<'_, Result<Vec<Usdc>, Error>>;

    /// Sessions in identity order after `after`, at most `limit`.
    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>>;

    /// Sessions that a wallet paid for, newest first, at most `limit`. EVM addresses are the same in any case.
    fn sessions_of(
        &self,
        payer: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(SessionId, Session)>, Error>>;

    /// What live streams must learn of many sessions in one round trip, in the order asked; `None` for unknown ones.
    fn watch(&self, sessions: Vec<SessionId>) -> BoxFuture<'_, Result<Vec<Option<Watched>>, Error>>;

    /// True exactly once per key until `ttl` has passed (single-use nonces).
    fn once(&self, key: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>>;

    /// Charges the counters of a purse, all or none, once per `id` within the purse's window ([`crate::spend`]).
    fn spend(
        &self,
        purse: &str,
        id: &str,
        charges: Vec<Charge>,
        window: Duration,
    ) -> BoxFuture<'_, Result<Spent, Error>>;

    /// Takes or renews a named lease for `holder`; false while another holds it.
    ///
    /// A store of one process may forget a lease of at most [`WORKING_LEASE_MAX`] when that process ends, and the holder
    /// with it. A longer one is kept.
    fn lease(&self, name: &str, holder: &str, ttl: Duration) -> BoxFuture<'_, Result<bool, Error>>;

    /// Gives a lease back, if `holder` still has it.
    fn release(&self, name: &str, holder: &str) -> BoxFuture<'_, Result<(), Error>>;

    /// When this store began, by the clock it was made with; a copy or a restart keeps it. Nothing older can be known to
    /// it, so nothing older is evidence of anything.
    fn born(&self) -> BoxFuture<'_, Result<Timestamp, Error>>;

    /// Whether the store is whole: reachable, and the one this node started with.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>>;
}

/// What a node with live streams must learn about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// The session's revision.
    pub revision: u64,
    /// Whether nothing may be served any more, for good or for now: [`Session::barred`].
    pub revoked: bool,
    /// Whether its payer or an operator ended it.
    pub closed: bool,
    /// When a stream last was short of units that others held.
    pub recalled: Option<Timestamp>,
    /// Whether it has nothing more to give: [`Session::spent`].
    pub spent: bool,
}

impl From<&Session> for Watched {
    fn from(row: &Session) -> Self {
        Self {
            revision: row.revision,
            revoked: row.barred(),
            closed: row.closed,
            recalled: row.recalled,
            spent: row.spent(),
        }
    }
}
