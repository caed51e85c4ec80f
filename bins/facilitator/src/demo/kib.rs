//! A feed sold by the KiB ends with the frame that uses up the last one.

use super::account::Account;
use super::ending::Ending;
use super::{Story, demo, instead_of, scene};
use crate::dev::{DevNode, Offer};
use crate::failure::Failure;
use crate::sample::Flood;
use std::time::{Duration, Instant};
use tollwire_client::{Config, Event, PayOn, StreamClient};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::Unit;

const ID: &str = "kib";
/// What is bought.
const KIB: u64 = 150;
/// A hundredth of a cent each, in atomic units.
const PRICE: u64 = 100;
/// Time between two messages of one KiB.
const EVERY: Duration = Duration::from_millis(10);

pub(super) async fn upstream() -> Result<Flood, Failure> {
    Flood::start(1, EVERY).await
}

pub(super) fn offer(upstream: &Flood) -> Offer {
    let offer = Offer::new(ID, upstream.address(), PRICE, vec![KIB]);
    Offer { unit: Unit::Kib, description: "A hundred KiB per second", low_water: KIB / 5, ..offer }
}

/// Buys 150 KiB, and counts them.
pub(super) async fn act(story: &Story, node: &DevNode) -> Result<Account, Failure> {
    scene("By the KiB: $0.0001 each, of a feed that sends one every 10 ms. This agent buys 150.");
    let mut config = Config::new([NETWORK]);
    config.pay_on = PayOn::Never;
    let mut agent = Account::new(node, (PRICE * KIB, PRICE * KIB), config)?;
    let url = node.session_url(ID);
    let session = agent.buy(&url).await?;
    story.tell("agent", format!("buys {} KiB for {}", session.units_remaining, session.paid));
    let mut stream = StreamClient::resume(agent.payer.clone(), &url, session).await.map_err(demo)?;
    let (mut messages, mut last, mut receipt) = (0, Instant::now(), None);
    let reason = loop {
        match stream.next().await.map_err(demo)? {
            Some(Event::Message(_)) => (messages, last) = (messages + 1, Instant::now()),
            Some(Event::Opened { .. }) => story.tell("agent", "opens the stream: 101"),
            Some(Event::Low { .. }) => {
                story.tell("frame", format!("{messages} of one KiB so far"));
                story.tell("facilitator", "a signed notice: the balance is low");
            }
            Some(Event::Receipt(last)) => receipt = Some(last),
            Some(Event::Exhausted { reason }) => break reason,
            other => return Err(instead_of("a frame or 4008", other)),
        }
    };
    story.tell("frame", format!("{messages} of one KiB: the last one that was paid for"));
    let late = (messages == KIB).then(|| last.elapsed());
    Ending { reason, late, receipt }.tell(story, KIB, "KiB")?;
    Ok(agent)
}
