//! More units in the midst of a flood: paid within the stream, on the one connection, with no byte lost.

use super::account::Account;
use super::ending::Ending;
use super::{Story, demo, instead_of, scene};
use crate::dev::{DevNode, Offer};
use crate::failure::Failure;
use crate::sample::Flood;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};
use tollwire_client::{Config, Event, Message, Receipt, StreamClient};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::Unit;

const ID: &str = "flood";
/// One deposit.
const KIB: u64 = 4_000;
/// How often it is paid, the first time included.
const DEPOSITS: u64 = 3;
/// A thousandth of a cent each, in atomic units.
const PRICE: u64 = 10;
/// KiB of one message on the wire, and the time between two: 4,000 KiB per second.
const MESSAGE: (usize, Duration) = (16, Duration::from_millis(4));
/// Messages of that size in one deposit.
const PER_DEPOSIT: u64 = 250;
/// KiB left at which the agent is told.
const LOW_WATER: u64 = 3_200;

pub(super) async fn upstream() -> Result<Flood, Failure> {
    Flood::start(MESSAGE.0, MESSAGE.1).await
}

pub(super) fn offer(upstream: &Flood) -> Offer {
    let offer = Offer::new(ID, upstream.address(), PRICE, vec![KIB]);
    Offer { unit: Unit::Kib, description: "Four MB per second", low_water: LOW_WATER, ..offer }
}

/// What the agent has heard.
struct Heard {
    hash: Sha256,
    messages: u64,
    last: Instant,
    top_ups: u64,
    receipt: Option<Receipt>,
}

/// Pays twice while the bytes flow, and no more: its budget is three deposits.
pub(super) async fn act(story: &Story, node: &DevNode, upstream: &Flood) -> Result<Account, Failure> {
    scene(
        "By the KiB, in a flood of 4,000 per second. This agent pays within the stream when it is told that the balance is \
         low, up to its budget of three deposits.",
    );
    let deposit = PRICE * KIB;
    let mut agent = Account::new(node, (deposit, deposit * DEPOSITS), Config::new([NETWORK]))?;
    let url = node.session_url(ID);
    let session = agent.buy(&url).await?;
    story.tell("agent", format!("buys {} KiB for {}", session.units_remaining, session.paid));
    let mut stream = StreamClient::resume(agent.payer.clone(), &url, session).await.map_err(demo)?;
    let mut heard =
        Heard { hash: Sha256::new(), messages: 0, last: Instant::now(), top_ups: 0, receipt: None };
    let reason = loop {
        match stream.next().await.map_err(demo)? {
            Some(Event::Exhausted { reason }) => break reason,
            Some(event) => heard.take(story, event)?,
            None => return Err(instead_of("4008", "the end")),
        }
    };
    let all = heard.messages == PER_DEPOSIT * DEPOSITS;
    let late = all.then(|| heard.last.elapsed());
    let receipt = heard.receipt.take();
    Ending { reason, late, receipt }.tell(story, KIB * DEPOSITS, "KiB")?;
    unbroken(story, upstream, &heard)?;
    Ok(agent)
}

impl Heard {
    fn take(&mut self, story: &Story, event: Event) -> Result<(), Failure> {
        match event {
            Event::Message(Message::Binary(bytes)) => {
                self.hash.update(&bytes);
                self.messages += 1;
                self.last = Instant::now();
            }
            Event::Opened { .. } => story.tell("agent", "opens the stream: 101"),
            Event::Low { .. } => {
                let messages = self.messages;
                story.tell(
                    "facilitator",
                    format!(
                        "message {messages}: a signed notice that the balance is low, and how to pay for more"
                    ),
                );
            }
            Event::ToppedUp { paid, units } => {
                self.top_ups += 1;
                let messages = self.messages;
                story.tell(
                    "agent",
                    format!("message {messages}: has paid {paid} within the stream; {units} KiB left"),
                );
            }
            Event::Unpaid { why } => story.tell("agent", format!("pays no more: {why}")),
            Event::Receipt(receipt) => self.receipt = Some(receipt),
            other => return Err(instead_of("a frame, a top-up or 4008", other)),
        }
        Ok(())
    }
}

/// What came is what the feed sends, from its first byte on, and it came on one connection.
fn unbroken(story: &Story, upstream: &Flood, heard: &Heard) -> Result<(), Failure> {
    let (got, sent) = (hex::encode(heard.hash.clone().finalize()), upstream.digest(heard.messages));
    story.tell(
        "agent",
        format!(
            "{} messages of {} KiB, {} top-ups, {} connection(s); SHA-256 {}",
            heard.messages,
            MESSAGE.0,
            heard.top_ups,
            upstream.opened(),
            got
        ),
    );
    story.tell("feed", format!("its first {} messages have SHA-256 {sent}", heard.messages));
    if got != sent {
        return Err(Failure::Demo("bytes were lost or changed".into()));
    }
    if (upstream.opened(), heard.top_ups) == (1, DEPOSITS - 1) {
        Ok(())
    } else {
        Err(Failure::Demo("it took another connection, or another number of top-ups".into()))
    }
}
