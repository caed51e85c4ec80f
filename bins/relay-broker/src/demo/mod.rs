//! `relay-broker demo`: the story of paid calls, of messages, of people and of a negotiation in one process, told as it happens.
//! Whatever it claims is checked as it is told; a claim that does not hold is a failure.

mod calls;
mod link;
mod messages;
mod negotiation;
mod paid;
mod people;

use crate::dev;
use crate::failure::Failure;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tollwire_ops::console;

/// The whole story's bound.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the story; anything else than the story is a failure.
pub(crate) async fn run() -> Result<(), Failure> {
    tokio::time::timeout(PATIENCE, Box::pin(story()))
        .await
        .map_err(|_| Failure::Demo("it took too long".into()))?
}

async fn story() -> Result<(), Failure> {
    let broker = dev::start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    console::line(format!(
        "A broker in front of an API that costs {} per call, settled on the dev chain (play money), and an agent.",
        dev::PRICE
    ));
    let story = Story(Instant::now());
    calls::at_once(&story, &broker).await?;
    calls::cut(&story, &broker).await?;
    messages::waiting(&story, &broker).await?;
    people::asked_first(&story, &broker).await?;
    negotiation::cut(&story, &broker).await?;
    broker.stop().await;
    Ok(())
}

/// The narrator: prints lines with the time since the beginning.
struct Story(Instant);

impl Story {
    fn tell(&self, who: &str, what: impl std::fmt::Display) {
        let at = self.0.elapsed();
        console::line(format!("{:>3}.{:03} s  {who:<7}  {what}", at.as_secs(), at.subsec_millis()));
    }
}

/// A new scene begins.
fn scene(what: &str) {
    console::line(format!("\n{what}\n"));
}

fn demo(error: impl std::fmt::Display) -> Failure {
    Failure::Demo(error.to_string())
}

/// A transaction's beginning.
fn short(transaction: &str) -> String {
    format!("{}..", transaction.get(..10).unwrap_or(transaction))
}

/// A claim of the story.
fn claim(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Demo(format!("it is not so that {what}"))) }
}
