//! Each command as a script call.

use crate::keys::Keys;
use crate::reply::Head;
use crate::script::{self, call};
use std::time::Duration;
use tollwire_ledger::core::UNITS_MAX;
use tollwire_ledger::model::{Attempt, HandOver, Intent, Landing, RefundOrder};
use tollwire_ledger::spend::Charge;
use tollwire_ledger::{Command, Error, PayoutCommand, record};
use tollwire_redis::redis::{Cmd, Script};
use tollwire_x402::{PaymentId, SessionId, StreamId};

/// Makes script calls for one moment; `now` is milliseconds, or empty for the server's own clock.
pub(crate) struct Calls<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) now: &'a str,
}

impl Calls<'_> {
    /// Any command but `Record`, which needs its pointer first.
    pub(crate) fn transition(&self, command: &Command) -> Result<Cmd, Error> {
        let session = command.session();
        Ok(match command {
            Command::Record { payment, intent } => return self.record(payment, intent, session),
            Command::Attach { payment, attempt, .. } => return self.attach(payment, session, attempt),
            Command::Credit { payment, landing, .. } => return self.credit(payment, session, landing),
            Command::Abandon { payment, reason, .. } => {
                let keys = [self.keys.session(session), self.keys.payment(session, payment)];
                call(&script::ABANDON, &keys, self.now).arg(reason).done()
            }
            Command::Freeze { payment, .. } => {
                let keys = self.of_credit(payment, session);
                call(&script::FREEZE, &keys, self.now).arg(payment.as_str()).done()
            }
            Command::Thaw { payment, landing, .. } => {
                let call = call(&script::THAW, &self.of_credit(payment, session), self.now);
                let call = call.arg(record::encode(landing)?).arg(payment.as_str());
                call.arg(landing.block.min(UNITS_MAX)).done()
            }
            Command::Hold { stream, fence, to, lease, streams_max, .. } => {
                let keys = self.of_opening(session);
                let fence = fence.map(|fence| countable(fence).to_string()).unwrap_or_default();
                let call = call(&script::HOLD, &keys, self.now).arg(stream.as_str()).arg(fence);
                call.arg(countable(*to)).arg(millis(*lease)).arg(*streams_max).done()
            }
            Command::Extend { stream, fence, used, need, want, lease, live_for, .. } => {
                let call = self.of_capture(&script::EXTEND, session, stream, *fence);
                let call = call.arg(countable(*used)).arg(countable(*need)).arg(countable(*want));
                call.arg(millis(*lease)).arg(millis(*live_for)).done()
            }
            Command::Post { stream, fence, to, live_for, .. } => {
                let call = self.of_capture(&script::POST, session, stream, *fence);
                call.arg(countable(*to)).arg(millis(*live_for)).done()
            }
            Command::Void { stream, fence, .. } => {
                let keys = self.of_opening(session);
                call(&script::VOID, &keys, self.now).arg(stream.as_str()).arg(countable(*fence)).done()
            }
            Command::End { stream, fence, used, .. } => {
                self.of_capture(&script::END, session, stream, *fence).arg(countable(*used)).done()
            }
            Command::Reverse { stream, fence, .. } => {
                self.of_capture(&script::REVERSE, session, stream, *fence).done()
            }
            Command::Revoke { .. } => self.of_session(&script::REVOKE, session),
            Command::Expire { .. } => self.of_session(&script::EXPIRE, session),
            Command::Close { .. } => self.of_session(&script::CLOSE, session),
            Command::Refund { refund, .. } => return self.refund(session, refund, false),
            Command::AttachRefund { number, made, attempt, .. } => {
                let call = self.of_refund(&script::ATTACH_REFUND, session, *number);
                call.arg(&attempt.tx).arg(*made).arg(record::encode(attempt)?).done()
            }
            Command::SettleRefund { number, landing, .. } => {
                self.of_refund(&script::SETTLE_REFUND, session, *number).arg(record::encode(landing)?).done()
            }
            Command::HandOver { due, .. } => self.hand_over(session, due, false),
        })
    }

    /// `HandOver`, for one that was compared with the session's provider (`to_provider`).
    pub(crate) fn hand_over(&self, session: &SessionId, due: &HandOver, to_provider: bool) -> Cmd {
        let keys = [self.keys.session(session), self.keys.journal(session)];
        let to = &due.to;
        let call = call(&script::HAND_OVER, &keys, self.now).arg(u8::from(to_provider));
        let call = call.arg(countable(due.from)).arg(countable(to.units)).arg(to.value.atomic());
        let call = call.arg(to.fee.atomic()).arg(to.gas.atomic()).arg(to.net.atomic());
        call.arg(countable(due.bought)).arg(due.refunds).done()
    }

    /// A command of a provider's account.
    pub(crate) fn pay_out(&self, command: &PayoutCommand) -> Result<Cmd, Error> {
        let id = command.payout();
        let (provider, payout) = (self.keys.provider(&id.account), self.keys.payout(id));
        Ok(match command {
            PayoutCommand::Gather { order, session, net, .. } => {
                let keys = [provider, payout, self.keys.gathered(&id.account)];
                let call = call(&script::GATHER, &keys, self.now).arg(id.number).arg(session.as_str());
                call.arg(net.atomic()).arg(record::encode(order)?).done()
            }
            PayoutCommand::Seal { gas, .. } => {
                call(&script::SEAL, &[provider, payout], self.now).arg(gas.atomic()).done()
            }
            PayoutCommand::Attach { made, attempt, .. } => {
                let call = call(&script::ATTACH_PAYOUT, &[payout], self.now);
                call.arg(&attempt.tx).arg(*made).arg(record::encode(attempt)?).done()
            }
            PayoutCommand::Settle { landing, .. } => {
                call(&script::SETTLE_PAYOUT, &[payout], self.now).arg(record::encode(landing)?).done()
            }
        })
    }

    /// `Record`, for the session that the payment's pointer leads to.
    pub(crate) fn record(
        &self,
        payment: &PaymentId,
        intent: &Intent,
        session: &SessionId,
    ) -> Result<Cmd, Error> {
        let (ours, terms) = (intent.session == *session, intent.terms());
        let intent = Intent { session: session.clone(), ..intent.clone() };
        let keys = [self.keys.session(session), self.keys.payment(session, payment)];
        Ok(call(&script::RECORD, &keys, self.now)
            .arg(u8::from(ours))
            .arg(terms)
            .arg(goods_of(&intent))
            .arg(u8::from(intent.plain))
            .arg(countable(intent.units))
            .arg(intent.amount.atomic())
            .arg(countable(intent.balance_ttl_ms))
            .arg(record::encode(&Head::of(&intent))?)
            .arg(record::encode(&intent)?)
            .arg(u8::from(intent.top_up))
            .done())
    }

    fn attach(&self, payment: &PaymentId, session: &SessionId, attempt: &Attempt) -> Result<Cmd, Error> {
        let keys = [self.keys.session(session), self.keys.payment(session, payment)];
        let call = call(&script::ATTACH, &keys, self.now);
        Ok(call.arg(&attempt.tx).arg(record::encode(attempt)?).done())
    }

    fn credit(&self, payment: &PaymentId, session: &SessionId, landing: &Landing) -> Result<Cmd, Error> {
        let call = call(&script::CREDIT, &self.of_credit(payment, session), self.now);
        let call = call.arg(landing.gas.atomic()).arg(record::encode(landing)?).arg(payment.as_str());
        Ok(call.arg(landing.block.min(UNITS_MAX)).done())
    }

    fn of_credit(&self, payment: &PaymentId, session: &SessionId) -> [String; 3] {
        [self.keys.session(session), self.keys.payment(session, payment), self.keys.journal(session)]
    }

    fn of_opening(&self, session: &SessionId) -> [String; 3] {
        [self.keys.session(session), self.keys.streams(session), self.keys.live(session)]
    }

    fn of_capture(
        &self,
        script: &Script,
        session: &SessionId,
        stream: &StreamId,
        fence: u64,
    ) -> script::Call {
        let keys = [
            self.keys.session(session),
            self.keys.streams(session),
            self.keys.journal(session),
            self.keys.live(session),
        ];
        call(script, &keys, self.now).arg(stream.as_str()).arg(countable(fence))
    }

    /// `Refund`, for an order that was compared with the session's payer (`to_payer`).
    pub(crate) fn refund(
        &self,
        session: &SessionId,
        order: &RefundOrder,
        to_payer: bool,
    ) -> Result<Cmd, Error> {
        let keys =
            [self.keys.session(session), self.keys.journal(session), self.keys.refund(session, order.number)];
        Ok(call(&script::REFUND, &keys, self.now)
            .arg(u8::from(to_payer))
            .arg(order.number)
            .arg(countable(order.units))
            .arg(countable(order.bought))
            .arg(countable(order.captured))
            .arg(order.value.atomic())
            .arg(order.gas.atomic())
            .arg(record::encode(order)?)
            .done())
    }

    fn of_refund(&self, script: &Script, session: &SessionId, number: u32) -> script::Call {
        call(script, &[self.keys.session(session), self.keys.refund(session, number)], self.now)
    }

    fn of_session(&self, script: &Script, session: &SessionId) -> Cmd {
        call(script, &[self.keys.session(session), self.keys.journal(session)], self.now).done()
    }

    pub(crate) fn once(&self, key: &str, ttl: Duration) -> Cmd {
        call(&script::ONCE, &[self.keys.once(key)], self.now).arg(millis(ttl)).done()
    }

    pub(crate) fn spend(&self, purse: &str, id: &str, charges: &[Charge], window: Duration) -> Cmd {
        let window = millis(window).max(1);
        let mut call = call(&script::SPEND, &[self.keys.purse(purse)], self.now).arg(id).arg(window);
        for charge in charges {
            call = call.arg(&charge.counter).arg(countable(charge.amount)).arg(countable(charge.limit));
        }
        call.done()
    }

    pub(crate) fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Cmd {
        call(&script::LEASE, &[self.keys.lease(name)], self.now).arg(holder).arg(millis(ttl)).done()
    }

    pub(crate) fn release(&self, name: &str, holder: &str) -> Cmd {
        call(&script::RELEASE, &[self.keys.lease(name)], self.now).arg(holder).done()
    }
}

/// What a session sells: its feed and unit. One session sells one thing.
pub(crate) fn goods_of(intent: &Intent) -> String {
    format!("{} {}", intent.feed, intent.unit)
}

/// A number as scripts can take it: what is more than any balance stays more than any balance.
fn countable(number: u64) -> u64 {
    number.min(UNITS_MAX.saturating_add(1))
}

fn millis(duration: Duration) -> u64 {
    countable(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
