//! Streams sold by what they use: told about once a second, ended when nothing is left.

use super::Notices;
use super::lease::{Ask, Lease, Pace, Why};
use crate::charge::Renewal;
use crate::pacer::Pacer;
use crate::signal::{Signal, Told};
use crate::store::may_recover;
use crate::{Charge, Gauge, telemetry};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};
use tollwire_ledger::model::Session;
use tollwire_x402::Unit;
use tollwire_x402::close::CloseCode;

/// First and longest pause while units are held elsewhere, or the store does not answer.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// What wakes the account.
enum Event {
    Told(Told),
    Short,
    Look,
}

/// Tells what was used and asks for more until the stream must end.
pub(super) async fn keep<G: Gauge>(charge: &mut Charge, gauge: &G, notices: &dyn Notices) -> CloseCode {
    let config = &charge.shared.config;
    // Seconds pass evenly, whatever happens: they need telling less often.
    let every = match charge.terms.unit {
        Unit::Second => config.renew_every.max(config.lease / 2),
        _ => config.renew_every,
    };
    let pace = Pace { every, lease: config.lease, most: config.lease_units_max.max(1) };
    let signal = Arc::clone(&charge.signal);
    let mut lease = first(charge);
    gauge.grant(lease.to, lease.until);
    let mut looked = false;
    loop {
        let look_at = lease.look_at(gauge.used(), looked, &pace);
        let mut event = event(gauge, &signal, look_at).await;
        let busy = gauge.used() > lease.told;
        if matches!(event, Event::Look) && busy {
            event = turn(charge, gauge, &signal, lease.turn_by(&pace)).await;
        }
        let why = match event {
            Event::Told(Told::Close(code)) => return code,
            Event::Told(Told::Recall) if lease.to <= gauge.used() => continue,
            Event::Told(Told::Recall) => Why::GiveBack,
            Event::Told(Told::Look) | Event::Short => Why::Short,
            Event::Look if busy => Why::Due,
            Event::Look if looked => Why::GiveBack,
            Event::Look => {
                looked = true;
                continue;
            }
        };
        looked = false;
        // Boxed, so that an idle stream does not carry the room for this.
        if let Err(code) = Box::pin(tell(charge, gauge, notices, &mut lease, why, &pace)).await {
            return code;
        }
    }
}

/// What a stream begins with.
fn first(charge: &Charge) -> Lease {
    let (to, until) = charge.opened_with();
    Lease { to, until, told: charge.before(), told_at: Instant::now(), ahead: 1 }
}

async fn event<G: Gauge>(gauge: &G, signal: &Signal, look_at: Option<Instant>) -> Event {
    let look = async {
        match look_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        told = signal.told() => Event::Told(told),
        () = gauge.short() => Event::Short,
        () = look => Event::Look,
    }
}

/// Waits for this stream's turn among all that renew; not when it is short meanwhile, or is told something.
async fn turn<G: Gauge>(charge: &Charge, gauge: &G, signal: &Signal, latest: Instant) -> Event {
    tokio::select! {
        biased;
        told = signal.told() => Event::Told(told),
        () = gauge.short() => Event::Short,
        () = charge.shared.pacer.turn(latest) => Event::Look,
    }
}

/// Tells the ledger, and grants what it gives; the code to end with if that is nothing.
async fn tell<G: Gauge>(
    charge: &mut Charge,
    gauge: &G,
    notices: &dyn Notices,
    lease: &mut Lease,
    mut why: Why,
    pace: &Pace,
) -> Result<(), CloseCode> {
    let (mut pause, longest) = RETRY;
    // From the first answer on, not from the first question: the process may have stood still in between.
    let (mut short_since, mut failing_since) = (None, None);
    loop {
        let shared = Arc::clone(&charge.shared);
        let since = failing_since.unwrap_or_else(Instant::now);
        let slot = match slot(&shared.pacer, &charge.signal, lease.gives_up(since, pace)).await? {
            Some(slot) => slot,
            None if let_go(lease, why, gauge) => return Ok(()),
            None => return Err(CloseCode::TryAgainLater),
        };
        // Only now, so that what was used while others were asked for is told too.
        let now = Instant::now();
        let ask = lease.ask(why, gauge.used(), gauge.needed(), now, pace);
        gauge.grant(ask.meanwhile, lease.until);
        // What was used until the grant was cut back counts too.
        let ask = ask.after(gauge.used());
        let said = charge.extend(ask.used, ask.need, ask.want).await;
        drop(slot);
        let kept = ask.meanwhile > ask.used;
        match said {
            Ok(session) => {
                telemetry::renewed("held");
                return granted(charge, gauge, notices, lease, (&session, ask, now, pace)).await;
            }
            Err(Renewal::Elsewhere | Renewal::Over(CloseCode::Exhausted)) if kept => {
                // Only a hold that lapsed at the store cannot be kept: begin anew.
                telemetry::renewed("lapsed");
                lease.to = ask.used;
                why = Why::Lapsed;
                continue;
            }
            Err(Renewal::Elsewhere) => {
                telemetry::renewed("held_elsewhere");
                let since = *short_since.get_or_insert_with(Instant::now);
                let held_wait = charge.shared.config.held_wait;
                if since.elapsed() >= held_wait {
                    return Err(exhausted(gauge).await);
                }
                charge.shared.registry.recall_now(charge.session(), charge.stream());
                why = Why::Short;
            }
            Err(Renewal::Over(CloseCode::Exhausted)) => {
                telemetry::renewed("exhausted");
                return Err(exhausted(gauge).await);
            }
            Err(Renewal::Over(code)) => {
                telemetry::renewed("over");
                return Err(code);
            }
            Err(Renewal::Store(error)) => {
                telemetry::renewed("store");
                tracing::warn!(session = %charge.session(), %error, "cannot renew a stream's lease");
                if !may_recover(&error) {
                    return Err(CloseCode::Internal);
                }
                if let_go(lease, why, gauge) {
                    return Ok(());
                }
                // Nothing is served beyond the lease meanwhile: the gauge sees to that.
                let since = *failing_since.get_or_insert_with(Instant::now);
                if Instant::now() >= lease.gives_up(since, pace) {
                    return Err(CloseCode::TryAgainLater);
                }
            }
        }
        lease.to = lease.to.min(ask.meanwhile);
        if let Told::Close(code) = wait(&charge.signal, pause).await {
            return Err(code);
        }
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// Whether a stream that cannot be told about needs nothing anyway: then what it held comes back by itself.
fn let_go<G: Gauge>(lease: &mut Lease, why: Why, gauge: &G) -> bool {
    let idle = why == Why::GiveBack && gauge.needed().is_none();
    if idle {
        lease.to = gauge.used();
        gauge.grant(lease.to, lease.until);
    }
    idle
}

/// Waits until the store may be asked, at most until `gives_up`; the code to end with if the stream is closed meanwhile.
async fn slot<'a>(
    pacer: &'a Pacer,
    signal: &Signal,
    gives_up: Instant,
) -> Result<Option<SemaphorePermit<'a>>, CloseCode> {
    let slot = pacer.slot();
    tokio::pin!(slot);
    loop {
        tokio::select! {
            biased;
            slot = &mut slot => return Ok(Some(slot)),
            told = signal.told() => if let Told::Close(code) = told { return Err(code) },
            () = sleep_until(gives_up) => return Ok(None),
        }
    }
}

/// Waits a little; cut short by a word to close.
async fn wait(signal: &Signal, pause: Duration) -> Told {
    let over = sleep(pause);
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            told = signal.told() => if matches!(told, Told::Close(_)) { return told },
            () = &mut over => return Told::Look,
        }
    }
}

async fn granted<G: Gauge>(
    charge: &Charge,
    gauge: &G,
    notices: &dyn Notices,
    lease: &mut Lease,
    (session, ask, asked_at, pace): (&Session, Ask, Instant, &Pace),
) -> Result<(), CloseCode> {
    let held = session.held_for(charge.stream());
    let to = ask.used.saturating_add(held);
    *lease = Lease {
        to,
        until: asked_at + pace.lease,
        told: ask.used,
        told_at: asked_at,
        ahead: held.max(lease.ahead.min(ask.want.saturating_sub(ask.used))),
    };
    gauge.grant(to, lease.until);
    notices.balance(session);
    if held == 0 && session.spent() {
        charge.shared.registry.look_again_but(charge.session(), charge.stream());
        return Err(exhausted(gauge).await);
    }
    Ok(())
}

/// Nothing is left: what was granted is served to its end first.
async fn exhausted<G: Gauge>(gauge: &G) -> CloseCode {
    if let Some(end) = gauge.lasts_until() {
        sleep_until(end).await;
    }
    CloseCode::Exhausted
}
