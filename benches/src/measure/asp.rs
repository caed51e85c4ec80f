//! Agent sessions of one broker, on one thread, on a local Redis: round trips and CPU time per message, the wait for an ack, and
//! replay.

mod bare;
mod load;
mod world;

use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tollwire_asp::SessionId;

use self::bare::Bare;
use self::load::{SENDS, cost, cryptography};
use self::world::{Socket, World, body, draft};
use super::Plan;
use crate::numbers::{kib, median, micros, ratio};
use crate::process::{forget_peak, peak_bytes};
use crate::{Failure, table};

/// Sends a second of the measurement of waits, and for how many seconds: by a plan, whether or not earlier ones were answered.
const RATE: u64 = 500;
const SECONDS: u64 = 20;

/// Messages that are replayed.
const REPLAYED: u64 = 10_000;

/// Sessions that talk at once, and messages of one socket that are in flight at once, where the broker is busy.
const SESSIONS: usize = 32;
const IN_FLIGHT: usize = 16;

/// What is measured of one load, over all rounds.
#[derive(Default)]
struct Load {
    costs: Vec<u64>,
    trips: u64,
}

impl Load {
    fn add(&mut self, (cost, trips): (u64, u64)) {
        self.costs.push(cost);
        self.trips += trips;
    }

    /// Its rows: CPU per send, how that compares with the cryptography, and round trips.
    fn rows(self, what: &str, crypto: u64) -> Result<[Vec<String>; 2], Failure> {
        let (sends, cost) = (SENDS * u64::try_from(self.costs.len())?, median(self.costs));
        Ok([
            row(&format!("CPU per send, {what} (µs, and in cryptography)"), compared(cost, crypto)),
            row("- its round trips to Redis", ratio(self.trips, sends)),
        ])
    }
}

/// All of it, as a table.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let world = World::start(dir.path()).await?;
    let draft = draft("PROPOSE", &body());
    let (session, socket) = world.converse().await?;
    let mut one = [socket];
    let mut many = Vec::new();
    for _ in 0..SESSIONS {
        many.push(world.converse().await?.1);
    }
    let (mut alone, mut beside, mut together) = (Load::default(), Load::default(), Load::default());
    let mut cryptos = Vec::new();
    let (mut bare_alone, mut bare_beside) =
        (Bare::start(1, Some(world.redis())).await?, Bare::start(SESSIONS, None).await?);
    let (mut bare_costs, mut bare_costs_beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        cryptos.push(cryptography(&draft)?);
        alone.add(cost(&world, &mut one, 1, &draft).await?);
        beside.add(cost(&world, &mut many, 1, &draft).await?);
        bare_costs.push(bare_alone.cost().await?);
        bare_costs_beside.push(bare_beside.cost().await?);
        together.add(cost(&world, &mut one, IN_FLIGHT, &draft).await?);
    }
    drop(many);
    let crypto = median(cryptos);
    let mut waits = match &mut one {
        [socket] => waits(socket, &draft).await?,
    };
    waits.sort_unstable();
    let wait = |per_mille: usize| waits.get(waits.len() * per_mille / 1000).copied().unwrap_or_default();
    let (mut rates, mut growths) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (rate, growth) = replay(&world, &session).await?;
        rates.push(rate);
        growths.push(growth);
    }
    let mut rows = vec![row("reading, canonical form, hash and signature alone (µs)", micros(crypto))];
    rows.extend(alone.rows("one after the other", crypto)?);
    rows.extend(beside.rows(&format!("{SESSIONS} sessions, one in flight each"), crypto)?);
    rows.extend(together.rows(&format!("one socket, {IN_FLIGHT} in flight"), crypto)?);
    rows.extend([
        row(
            "nothing but read, a round trip to Redis, written (µs, and in cryptography)",
            compared(median(bare_costs), crypto),
        ),
        row(
            &format!("- {SESSIONS} sockets, without the round trip"),
            compared(median(bare_costs_beside), crypto),
        ),
        row(&format!("send to ack at {RATE}/s: p50 (µs)"), micros(wait(500))),
        row("p99 (µs)", micros(wait(990))),
        row(&format!("replay of {REPLAYED}, messages per second"), median(rates).to_string()),
        row("peak memory above rest meanwhile (KiB)", kib(median(growths))),
    ]);
    Ok(table::render(&["Agent sessions, one thread, local Redis", "measured"], &rows))
}

fn compared(cost: u64, crypto: u64) -> String {
    format!("{} ({}x)", micros(cost), ratio(cost, crypto))
}

fn row(what: &str, found: String) -> Vec<String> {
    vec![what.to_owned(), found]
}

/// From when each send was due until its ack, in nanoseconds.
async fn waits(socket: &mut Socket, draft: &str) -> Result<Vec<u64>, Failure> {
    let begun = tokio::time::Instant::now();
    let every = Duration::from_nanos(1_000_000_000 / RATE);
    let due = |number: u64| begun + every.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
    let (mut said, mut waits) = (0, Vec::new());
    let all = RATE * SECONDS;
    while u64::try_from(waits.len())? < all {
        tokio::select! {
            () = sleep_until(due(said)), if said < all => {
                socket.say(&[draft.to_owned()]).await?;
                said += 1;
            }
            ack = socket.acked() => {
                ack?;
                let number = u64::try_from(waits.len())?;
                waits.push(u64::try_from(due(number).elapsed().as_nanos())?);
            }
        }
    }
    Ok(waits)
}

/// Messages per second of a replay, and by how much the broker's memory rises over what it was.
async fn replay(world: &World, session: &SessionId) -> Result<(u64, u64), Failure> {
    forget_peak(world.pid)?;
    let rest = peak_bytes(world.pid)?;
    let mut socket = world.connect(session, 0).await?;
    let (mut began, mut count) = (Instant::now(), 0);
    while count < REPLAYED {
        let text = socket.text().await?;
        if text.starts_with(r#"{"type":"message""#) {
            count += 1;
        } else if text.starts_with(r#"{"type":"auth_ok""#) {
            began = Instant::now();
        } else {
            return Err(text.into());
        }
    }
    let took = began.elapsed();
    let rate = u128::from(REPLAYED) * 1_000_000 / took.as_micros().max(1);
    Ok((u64::try_from(rate)?, peak_bytes(world.pid)?.saturating_sub(rest)))
}
