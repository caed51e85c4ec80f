//! A feed sold by the stream: pay, stream, run dry at 4008, and pay again, with nobody in the loop.

use super::account::Account;
use super::{Story, bill, demo, instead_of, scene, text};
use crate::dev::{DevNode, FEED, Offer};
use crate::failure::Failure;
use std::net::SocketAddr;
use std::time::Duration;
use tollwire_client::{Config, Event, PayOn, Session, StreamClient};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::{SessionId, Usdc};

/// Units per deposit: few, so that the balance runs dry while one watches.
const UNITS: u64 = 3;
/// Ten cents each, in atomic units.
const PRICE: u64 = 100_000;
/// How long one unit lasts.
const MAX_STREAM: Duration = Duration::from_secs(1);
/// Ticks to watch after the second payment.
const ENCORE: u64 = 3;
/// The agent's budget, in atomic units: a dollar.
const DOLLAR: u64 = 1_000_000;

pub(super) fn offer(upstream: SocketAddr) -> Offer {
    Offer { max_stream: MAX_STREAM, ..Offer::new(FEED, upstream, PRICE, vec![UNITS]) }
}

/// The plain way: the balance runs dry, and another session is bought.
pub(super) async fn act(story: &Story, node: &DevNode) -> Result<Account, Failure> {
    scene("By the stream: $0.10 each, and a stream lasts one second.");
    let url = node.session_url(FEED);
    let mut config = Config::new([NETWORK]);
    (config.control, config.pay_on) = (false, PayOn::NewSession);
    let mut agent = Account::new(node, (DOLLAR, DOLLAR), config)?;

    bill::show(story, &node.url, &format!("/feeds/{FEED}/session")).await?;
    let session = agent.buy(&url).await?;
    show_purchase(story, node, &session);
    let first = session.jti.clone();
    let mut stream = StreamClient::resume(agent.payer.clone(), &url, session).await.map_err(demo)?;
    story.tell("agent", format!("opens {} with the token: 101", stream.session().ws_url));
    until_exhausted(story, node, &mut stream, &first).await?;
    let second = pay_again(story, node, &mut stream).await?;
    if second == first {
        return Err(Failure::Demo("the second payment bought no second session".into()));
    }
    agent.sessions.push(second);
    stream.close().await.map_err(demo)?;
    story.tell("agent", "has seen enough and closes the stream with 1000");
    Ok(agent)
}

fn show_purchase(story: &Story, node: &DevNode, session: &Session) {
    story.tell(
        "agent",
        format!("signs a USDC transfer of {} (EIP-3009) and repeats the request with it", session.paid),
    );
    let tx = session.transaction.as_deref().unwrap_or("unknown");
    story.tell("facilitator", format!("verifies it, records it, settles it: transaction {tx}"));
    story.tell(
        "dev chain",
        format!("block {}: {} moved to the deposit wallet", node.chain.height(), session.paid),
    );
    story.tell(
        "facilitator",
        format!(
            "200: a session token ({} bytes, expires {}) for {} units; session {}",
            session.token().len(),
            session.expires_at,
            session.units_remaining,
            session.jti
        ),
    );
}

/// Watches frames until the balance is spent; a unit is taken for every second.
async fn until_exhausted(
    story: &Story,
    node: &DevNode,
    stream: &mut StreamClient,
    session: &SessionId,
) -> Result<(), Failure> {
    let mut left = UNITS;
    loop {
        match stream.next().await.map_err(demo)? {
            Some(Event::Message(message)) => {
                let now = remaining(node, session).await?;
                if now != left {
                    left = now;
                    story.tell("ledger", format!("a unit is captured; {left} of {UNITS} left"));
                }
                story.tell("frame", text(&message));
            }
            Some(Event::Opened { .. }) => {}
            Some(Event::Exhausted { reason }) => {
                story.tell("facilitator", format!("CLOSE 4008 \"{reason}\""));
                return Ok(());
            }
            other => return Err(instead_of("a frame or 4008", other)),
        }
    }
}

/// Lets the agent pay by itself and watches a little more.
async fn pay_again(story: &Story, node: &DevNode, stream: &mut StreamClient) -> Result<SessionId, Failure> {
    match stream.next().await.map_err(demo)? {
        Some(Event::Renewed { paid }) if paid > Usdc::ZERO => {
            story.tell("agent", format!("pays {paid} again by itself and reconnects"));
        }
        other => return Err(instead_of("a renewal", other)),
    }
    show_purchase(story, node, stream.session());
    for _ in 0..ENCORE {
        match stream.next().await.map_err(demo)? {
            Some(Event::Message(message)) => story.tell("frame", text(&message)),
            other => return Err(instead_of("a frame", other)),
        }
    }
    Ok(stream.session().jti.clone())
}

async fn remaining(node: &DevNode, session: &SessionId) -> Result<u64, Failure> {
    let state = node.ledger.session(session).await.map_err(demo)?;
    state.map(|session| session.remaining()).ok_or_else(|| Failure::Demo("the session is unknown".into()))
}
