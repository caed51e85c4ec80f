//! `facilitator demo`: the whole story in one process, told as it happens.
//!
//! Four feeds are sold, one after the other: by the stream, by the second, and twice by the KiB. Whatever the story claims
//! is checked as it is told; a claim that does not hold is a failure.

mod account;
mod bill;
mod books;
mod ending;
mod flood;
mod kib;
mod seconds;
mod ticks;

use crate::dev;
use crate::failure::Failure;
use crate::sample;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tollwire_client::Message;
use tollwire_ops::console;

/// Time between ticks.
const TICK: Duration = Duration::from_millis(250);
/// The whole story's bound.
const PATIENCE: Duration = Duration::from_secs(90);

/// Tells the story; anything else than the story is a failure.
pub(crate) async fn run() -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Demo(what.into());
    tokio::time::timeout(PATIENCE, Box::pin(story())).await.map_err(|_| wrong("it took too long"))?
}

async fn story() -> Result<(), Failure> {
    let ticking = sample::start(TICK).await?;
    let (trickle, torrent) = (kib::upstream().await?, flood::upstream().await?);
    let offers =
        vec![ticks::offer(ticking), seconds::offer(ticking), kib::offer(&trickle), flood::offer(&torrent)];
    let node = dev::start(SocketAddr::from(([127, 0, 0, 1], 0)), offers).await?;
    console::line(
        "Four feeds for sale on the dev chain (play money), and an agent for each, in one process.",
    );
    let story = Story(Instant::now());
    let accounts = [
        Box::pin(ticks::act(&story, &node)).await?,
        Box::pin(seconds::act(&story, &node)).await?,
        Box::pin(kib::act(&story, &node)).await?,
        Box::pin(flood::act(&story, &node, &torrent)).await?,
    ];
    books::show(&node, &accounts).await?;
    node.stop().await;
    Ok(())
}

/// The narrator: prints lines with the time since the beginning.
struct Story(Instant);

impl Story {
    fn tell(&self, who: &str, what: impl std::fmt::Display) {
        let at = self.0.elapsed();
        console::line(format!("{:>3}.{:03} s  {who:<11}  {what}", at.as_secs(), at.subsec_millis()));
    }
}

/// A new scene begins.
fn scene(what: &str) {
    console::line(format!("\n{what}\n"));
}

fn text(message: &Message) -> String {
    match message {
        Message::Text(text) => text.clone(),
        Message::Binary(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn demo(error: impl std::fmt::Display) -> Failure {
    Failure::Demo(error.to_string())
}

/// Something else came than the story has.
fn instead_of(what: &str, came: impl std::fmt::Debug) -> Failure {
    Failure::Demo(format!("instead of {what} came {came:?}"))
}
