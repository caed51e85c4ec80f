//! Calls that are paid for: many at once over one socket, and one whose socket is cut.

use super::link::Link;
use super::{Story, claim, demo, scene, short};
use crate::dev::{DevBroker, PAID, PRICE};
use crate::failure::Failure;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;
use tollwire_client::{ApiCall, Budget, Config, Payer, RelayClient, Wallet, Way};
use tollwire_x402::{Network, Usdc};

/// Calls at once.
const CALLS: u64 = 20;

/// How long the longest of them takes, in milliseconds, and how much each next one less.
const LONGEST: u64 = 1_200;
const LESS: u64 = 55;

fn agent(broker: &str, payments: u64) -> Result<RelayClient, Failure> {
    let wallet = Wallet::random().map_err(demo)?;
    let budget = Budget::new(price()?, price()?.checked_mul(payments).unwrap_or_default());
    let payer = Payer::new(wallet, budget, Config::new([Network::BASE_SEPOLIA])).map_err(demo)?;
    RelayClient::new(payer, broker).map_err(demo)
}

fn price() -> Result<Usdc, Failure> {
    PRICE.parse().map_err(demo)
}

/// Twenty calls at once over one socket.
pub(super) async fn at_once(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("Twenty calls at once, over one WebSocket");
    let agent = agent(broker.url.as_str(), CALLS)?;
    story.tell("agent", format!("asks {CALLS} times; each call takes another time, the first ones longest"));
    let mut under_way: FuturesUnordered<_> = (1..=CALLS)
        .map(|number| {
            let (agent, millis) = (agent.clone(), LONGEST.saturating_sub(number.saturating_mul(LESS)));
            async move { (number, agent.call(&ApiCall::get(PAID, &format!("/v1/slow?ms={millis}"))).await) }
        })
        .collect();
    let (mut order, mut transactions) = (Vec::new(), Vec::new());
    while let Some((number, called)) = under_way.next().await {
        let called = called.map_err(demo)?;
        claim(called.status.is_success(), "every call is answered")?;
        claim(called.way == Way::Socket, "every answer comes over the socket")?;
        let settled = called.settlement.ok_or_else(|| demo("a call without a settlement"))?;
        story.tell(
            "broker",
            format!("answers call {number:>2}, {} paid in {}", called.paid, short(&settled.transaction)),
        );
        order.push(number);
        transactions.push(settled.transaction);
    }
    transactions.sort();
    transactions.dedup();
    claim(u64::try_from(transactions.len()) == Ok(CALLS), "every call has a settlement of its own")?;
    claim(!order.is_sorted(), "answers come in the order in which they are ready")?;
    let spent = agent.payer().budget().spent();
    claim(Some(spent) == price()?.checked_mul(CALLS), "each call is paid for once")?;
    story.tell("agent", format!("has {CALLS} answers, out of order, for {spent}"));
    Ok(())
}

/// A call whose socket is cut after the payment was sent.
pub(super) async fn cut(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("A socket that is cut in the middle of a payment");
    let link = Link::to(broker.address).await?;
    let agent = agent(&format!("http://{}", link.address()), 1)?;
    story.tell("agent", "asks, is told the price, pays, and waits");
    let calling = {
        let agent = agent.clone();
        tokio::spawn(async move { agent.call(&ApiCall::get(PAID, "/v1/slow?ms=900")).await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    claim(agent.payer().budget().spent() != Usdc::ZERO, "the payment has left before the socket is cut")?;
    link.cut();
    story.tell("network", "cuts the socket; the broker goes on with the call");
    let called = calling.await.map_err(demo)?.map_err(demo)?;
    claim(called.way == Way::Http, "the answer is collected over HTTP")?;
    let settled = called.settlement.ok_or_else(|| demo("a call without a settlement"))?;
    story.tell(
        "agent",
        format!("collects it over HTTP with the same payment, settled in {}", short(&settled.transaction)),
    );
    claim(agent.payer().budget().spent() == price()?, "the call is paid for once")?;
    story.tell("agent", format!("has spent {}, once", agent.payer().budget().spent()));
    Ok(())
}
