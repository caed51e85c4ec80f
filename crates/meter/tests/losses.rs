//! What a crash of a node can cost: the worked example of docs/configuration.md, "The largest loss", in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::watching::Watching;
use support::{Path, buy, ledger, meter, order, session};
use tokio::time::sleep;
use tollwire_ledger::Ledger;
use tollwire_ledger::model::Session;
use tollwire_meter::{Charge, Gauge as _, Meter, MeterConfig};
use tollwire_x402::Unit;

/// Messages per second.
const RATE: u64 = 1_000;
/// Messages that come at once.
const BURST: u64 = 50;
/// Two seconds of the rate, and what of a burst may fall into the second that was looked at.
const LEASE: u64 = 2 * (RATE + BURST);

async fn opened(meter: &Meter) -> Charge {
    let mut charge = meter.open(&order(1, Unit::Message)).await.unwrap();
    charge.capture().await.unwrap();
    charge.served();
    charge
}

/// A stream of a thousand messages per second whose node dies a third of a second after a renewal; the units it had used
/// by then, and what it held. `most` is `lease_units`.
async fn crashed(store: &Arc<dyn Ledger>, most: u64) -> (u64, u64) {
    // The node's own way to the store, which its death cuts.
    let way = Watching::new(Arc::clone(store));
    let mut config = MeterConfig::default();
    config.lease_units_max = most;
    let meter = meter(&way.as_ledger(), config);
    let path = Path::new(0);
    let mut charge = opened(&meter).await;
    let keeping = {
        let path = Arc::clone(&path);
        tokio::spawn(async move { charge.keep(&*path, &()).await })
    };
    let sending = {
        let path = Arc::clone(&path);
        tokio::spawn(async move {
            loop {
                for _ in 0..BURST {
                    path.send(1).await;
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
    };
    sleep(Duration::from_millis(15_330)).await;
    let held = session(&**store).await.held();
    way.set_down(true);
    sending.abort();
    keeping.abort();
    (path.used(), held)
}

fn balanced(row: &Session) -> bool {
    row.captured + row.held() + row.remaining() == 1_000_000
}

#[tokio::test(start_paused = true)]
async fn what_was_used_since_the_last_renewal_is_given_away_and_that_is_at_most_one_lease() {
    for (most, lease) in [(1_000_000, LEASE), (500, 500)] {
        let store = ledger();
        buy(&*store, 1, Unit::Message, 1_000_000).await;
        let (used, held) = crashed(&store, most).await;
        assert!((1..=lease).contains(&held), "{held} units held ahead");
        // `lease` and `lease_margin`: the units are out of reach that long, and then back.
        sleep(Duration::from_secs(16)).await;
        // Any command has what lapsed returned; this one opens another stream.
        let mut other = meter(&store, MeterConfig::default()).open(&order(2, Unit::Message)).await.unwrap();
        other.capture().await.unwrap();
        other.settle().await;
        let row = session(&*store).await;
        assert!(balanced(&row) && row.held() == 0, "{row:?}");
        let given_away = used - row.captured;
        assert!((1..=held).contains(&given_away), "{given_away} of {held}");
        // Ten atomic units of USDC each.
        assert!(given_away * 10 <= 10 * lease);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_old_connection_held_is_taken_when_its_stream_is_opened_again() {
    let store = ledger();
    buy(&*store, 1, Unit::Message, 1_000_000).await;
    let (used, held) = crashed(&store, 1_000_000).await;
    sleep(Duration::from_secs(1)).await;
    opened(&meter(&store, MeterConfig::default())).await.settle().await;
    let row = session(&*store).await;
    assert!(balanced(&row) && row.held() == 0, "{row:?}");
    let taken = row.captured - used;
    assert!((1..=held).contains(&taken), "{taken} of {held}");
}
