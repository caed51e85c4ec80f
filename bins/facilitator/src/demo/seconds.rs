//! A feed sold by the second ends when its seconds are over.

use super::account::Account;
use super::ending::Ending;
use super::{Story, demo, instead_of, scene, text};
use crate::dev::{DevNode, Offer};
use crate::failure::Failure;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tollwire_client::{Config, Event, PayOn, StreamClient};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::Unit;

const ID: &str = "seconds";
/// What is bought.
const SECONDS: u64 = 3;
/// A cent each, in atomic units.
const PRICE: u64 = 10_000;
/// One tick in so many is shown.
const SHOWN: u64 = 4;

pub(super) fn offer(upstream: SocketAddr) -> Offer {
    Offer { unit: Unit::Second, ..Offer::new(ID, upstream, PRICE, vec![SECONDS]) }
}

/// Buys three seconds, and measures them.
pub(super) async fn act(story: &Story, node: &DevNode) -> Result<Account, Failure> {
    scene("By the second: $0.01 each. This agent buys three and no more.");
    let mut config = Config::new([NETWORK]);
    config.pay_on = PayOn::Never;
    let mut agent = Account::new(node, (PRICE * SECONDS, PRICE * SECONDS), config)?;
    let url = node.session_url(ID);
    let session = agent.buy(&url).await?;
    story.tell("agent", format!("buys {} seconds for {}", session.units_remaining, session.paid));
    let begun = Instant::now();
    let mut stream = StreamClient::resume(agent.payer.clone(), &url, session).await.map_err(demo)?;
    let (mut ticks, mut receipt) = (0, None);
    let reason = loop {
        match stream.next().await.map_err(demo)? {
            Some(Event::Message(message)) => {
                if ticks % SHOWN == 0 {
                    story.tell("frame", text(&message));
                }
                ticks += 1;
            }
            Some(Event::Opened { .. }) => story.tell("agent", "opens the stream: 101"),
            Some(Event::Low { .. }) => story.tell("facilitator", "a signed notice: the balance is low"),
            Some(Event::Receipt(last)) => receipt = Some(last),
            Some(Event::Exhausted { reason }) => break reason,
            other => return Err(instead_of("a frame or 4008", other)),
        }
    };
    // The clock of the facilitator starts when it answers the opening, so after this one.
    let late = begun.elapsed().checked_sub(Duration::from_secs(SECONDS));
    Ending { reason, late, receipt }.tell(story, SECONDS, "seconds")?;
    Ok(agent)
}
