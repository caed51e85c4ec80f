//! Commands as round trips: what is read first, which index is written before its row, which script decides.

use crate::command::{Calls, goods_of};
use crate::keys::{payout_entry, refund_entry};
use crate::ledger::RedisLedger;
use crate::listing;
use crate::reply::{self, Fields, first, last, read};
use tollwire_ledger::core::UNITS_MAX;
use tollwire_ledger::model::{HandOver, Intent, RefundId, RefundOrder};
use tollwire_ledger::{Clock as _, Command, Error, Outcome, PayoutCommand, PayoutOutcome, SystemClock};
use tollwire_redis::only;
use tollwire_redis::redis::Pipeline;
use tollwire_x402::{PaymentId, SessionId};

impl RedisLedger {
    pub(crate) async fn transition(&self, command: &Command) -> Result<Outcome, Error> {
        let now = self.now();
        let calls = Calls { keys: &self.keys, now: &now };
        let outcome = match command {
            Command::Record { payment, intent } => self.record(payment, intent, &calls).await?,
            Command::Credit { payment, session, landing } => {
                // Before the session exists: the index holds at least what it must.
                let mut listed = listing::add(&self.keys.sessions(), session.as_str());
                listing::and(&mut listed, &self.keys.transaction(&landing.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Refund { session, refund } => self.refund_order(session, refund, &calls).await?,
            Command::HandOver { session, due } => self.hand_over(session, due, &calls).await?,
            Command::Attach { payment, attempt, .. } => {
                let mut listed = listing::add(&self.keys.transaction(&attempt.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Thaw { payment, landing, .. } => {
                let mut listed = listing::add(&self.keys.transaction(&landing.tx), payment.as_str());
                listed.add_command(calls.transition(command)?);
                self.safely(listed).await?
            }
            Command::Freeze { .. } | Command::AttachRefund { .. } | Command::SettleRefund { .. } => {
                self.safely(only(calls.transition(command)?)).await?
            }
            _ => reply::outcome(first(self.ask(&only(calls.transition(command)?)).await?)?)?,
        };
        if outcome == Outcome::Unknown {
            self.store.whole_at(&self.keys.session(command.session())).await?;
        }
        Ok(outcome)
    }

    /// The pointer first: it decides which session the payment belongs to, whichever node records it. A purchase that
    /// the script would refuse must not set one.
    async fn record(&self, id: &PaymentId, intent: &Intent, calls: &Calls<'_>) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(self.keys.pointer(id));
        ask.cmd("HMGET").arg(self.keys.session(&intent.session)).arg("goods").arg("closed");
        let mut answers = self.ask_whole(&ask).await?.into_iter();
        let pointer: Option<String> = read(answers.next().unwrap_or_default(), "pointer")?;
        let known = pointer.is_some();
        let (goods, closed): (Option<String>, Option<u64>) =
            read(answers.next().unwrap_or_default(), "session")?;
        let session = if let Some(session) = pointer {
            reply::parse(&session)?
        } else if intent.top_up && closed == Some(1) {
            return Ok(Outcome::Closed);
        } else if intent.plain || goods.map_or(!intent.top_up, |sold| sold == goods_of(intent)) {
            if !(1..=UNITS_MAX).contains(&intent.units) {
                return Ok(Outcome::Conflict);
            }
            self.point(id, &intent.session).await?
        } else {
            return Ok(Outcome::Conflict);
        };
        let mut listed = listing::add(&self.keys.in_doubt(), id.as_str());
        if known && self.store.is_spread() {
            // Whoever set it may have failed before replicas had it: they must, before the row counts on it.
            listed.cmd("GET").arg(self.keys.pointer(id));
        }
        if !intent.plain {
            let now = self.config.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now());
            let payer = self.keys.payer(&intent.payer);
            listed.cmd("ZADD").arg(payer).arg("NX").arg(now.millis()).arg(session.as_str());
        }
        listed.add_command(calls.record(id, intent, &session)?);
        self.safely(listed).await
    }

    /// Who paid for a session never changes, so it is compared here, where it can be read.
    async fn refund_order(
        &self,
        session: &SessionId,
        order: &RefundOrder,
        calls: &Calls<'_>,
    ) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.session(session)).arg("head");
        let head: Option<Vec<u8>> = read(first(self.ask_whole(&ask).await?)?, "session")?;
        let to_payer = match head {
            Some(head) => Fields::paid_by(&head, order.network, &order.to)?,
            None => false,
        };
        // Before the refund exists: the index holds at least what it must.
        let id = RefundId { session: session.clone(), number: order.number };
        let mut listed = listing::add(&self.keys.refunds_in_doubt(), &refund_entry(&id));
        listed.add_command(calls.refund(session, order, to_payer)?);
        self.safely(listed).await
    }

    /// Whose a session's dues are never changes, so it is compared here, where it can be read.
    async fn hand_over(
        &self,
        session: &SessionId,
        due: &HandOver,
        calls: &Calls<'_>,
    ) -> Result<Outcome, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("HGET").arg(self.keys.session(session)).arg("head");
        let head: Option<Vec<u8>> = read(first(self.ask_whole(&ask).await?)?, "session")?;
        let to_provider = match head {
            Some(head) => Fields::earned_by(&head, due.network, &due.provider)?,
            None => false,
        };
        self.safely(only(calls.hand_over(session, due, to_provider))).await
    }

    pub(crate) async fn account_command(&self, command: &PayoutCommand) -> Result<PayoutOutcome, Error> {
        let (now, id) = (self.now(), command.payout());
        // An emptied store would begin the account anew.
        self.store.whole_at(&self.keys.provider(&id.account)).await?;
        if let (true, PayoutCommand::Gather { session, .. }) = (self.store.is_spread(), command) {
            // What was handed over there is owed here from now on: the replicas there must have it first.
            let mut ask = Pipeline::new();
            ask.cmd("HGET").arg(self.keys.session(session)).arg("handed_net");
            self.store.ask_replicated(&ask, self.replicas()).await?;
        }
        // Before the row exists: the indexes hold at least what they must.
        let mut commands = match command {
            PayoutCommand::Gather { .. } => listing::add(&self.keys.providers(), id.account.as_str()),
            PayoutCommand::Seal { .. } => listing::add(&self.keys.payouts_in_doubt(), &payout_entry(id)),
            PayoutCommand::Attach { .. } | PayoutCommand::Settle { .. } => Pipeline::new(),
        };
        commands.add_command(Calls { keys: &self.keys, now: &now }.pay_out(command)?);
        reply::payout_outcome(self.surely(commands).await?)
    }

    pub(crate) async fn pointer(&self, id: &PaymentId) -> Result<Option<SessionId>, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(self.keys.pointer(id));
        let found: Option<String> = read(first(self.ask_whole(&ask).await?)?, "pointer")?;
        found.as_deref().map(reply::parse).transpose()
    }

    async fn point(&self, id: &PaymentId, session: &SessionId) -> Result<SessionId, Error> {
        let mut ask = Pipeline::new();
        ask.cmd("SET").arg(self.keys.pointer(id)).arg(session.as_str()).arg("NX");
        ask.cmd("GET").arg(self.keys.pointer(id));
        // On one server the replicas have the pointer when they have the row that counts on it.
        let answers = if self.store.is_spread() {
            self.store.ask_replicated(&ask, self.replicas()).await?
        } else {
            self.ask(&ask).await?
        };
        let decided: String = read(last(answers)?, "pointer")?;
        reply::parse(&decided)
    }
}
