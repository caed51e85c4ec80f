//! `facilitator demo`: the whole story in one process, told as it happens.

mod bill;
mod books;

use crate::dev::{self, DevNode, FEED, Offer};
use crate::failure::Failure;
use crate::say;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tollwire_client::{Budget, Config, Event, Message, PayOn, Payer, Session, StreamClient, Wallet};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::{SessionId, Usdc};

/// Units per deposit: few, so that the balance runs dry while one watches.
const UNITS: u64 = 3;
/// How long one unit lasts.
const MAX_STREAM: Duration = Duration::from_secs(1);
/// Time between ticks.
const TICK: Duration = Duration::from_millis(250);
/// Ticks to watch after the second payment.
const ENCORE: u64 = 3;
/// The whole story's bound.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the story; anything else than the story is a failure.
pub(crate) async fn run() -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Demo(what.into());
    tokio::time::timeout(PATIENCE, story()).await.map_err(|_| wrong("it took longer than a minute"))?
}

/// The narrator: prints lines with the time since the beginning.
struct Story(Instant);

impl Story {
    fn tell(&self, who: &str, what: impl std::fmt::Display) {
        let at = self.0.elapsed();
        say::line(format!("{:>3}.{:03} s  {who:<11}  {what}", at.as_secs(), at.subsec_millis()));
    }
}

async fn story() -> Result<(), Failure> {
    let price = Usdc::from_atomic(100_000).unwrap_or_default();
    let offer = Offer { price, deposit_units: vec![UNITS], max_stream: MAX_STREAM };
    let node = dev::start(SocketAddr::from(([127, 0, 0, 1], 0)), TICK, offer).await?;
    let url = format!("{}feeds/{FEED}/session", node.url);
    let wallet = Wallet::random().map_err(demo)?;
    let dollar = Usdc::from_atomic(1_000_000).unwrap_or_default();
    let mut config = Config::new([NETWORK]);
    // The story is told by the plain way: the balance runs dry, and another session is bought.
    (config.control, config.pay_on) = (false, PayOn::NewSession);
    let payer = Payer::new(wallet, Budget::new(dollar, dollar), config).map_err(demo)?;
    say::line(
        "A feed of live ticks for sale at $0.10 per second of stream, on the dev chain (play money), in one process.\n",
    );
    let story = Story(Instant::now());
    let before = node.chain.balance_of(&payer.address());

    bill::show(&story, &node.url, &format!("/feeds/{FEED}/session")).await?;
    let session = payer.buy(&url).await.map_err(demo)?;
    show_purchase(&story, &node, &session);
    let first = session.jti.clone();
    let mut stream = StreamClient::resume(payer.clone(), &url, session).await.map_err(demo)?;
    story.tell("agent", format!("opens {} with the token: 101", stream.session().ws_url));
    until_exhausted(&story, &node, &mut stream, &first).await?;
    let second = pay_again(&story, &node, &mut stream).await?;
    if second == first {
        return Err(Failure::Demo("the second payment bought no second session".into()));
    }
    stream.close().await.map_err(demo)?;
    story.tell("agent", "has seen enough and closes the stream with 1000");

    books::show(&node, &payer, before, &[first, second]).await?;
    node.stop().await;
    Ok(())
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
            other => return Err(Failure::Demo(format!("instead of a frame or 4008 came {other:?}"))),
        }
    }
}

/// Lets the agent pay by itself and watches a little more.
async fn pay_again(story: &Story, node: &DevNode, stream: &mut StreamClient) -> Result<SessionId, Failure> {
    match stream.next().await.map_err(demo)? {
        Some(Event::Renewed { paid }) if paid > Usdc::ZERO => {
            story.tell("agent", format!("pays {paid} again by itself and reconnects"));
        }
        other => return Err(Failure::Demo(format!("instead of a renewal came {other:?}"))),
    }
    show_purchase(story, node, stream.session());
    for _ in 0..ENCORE {
        match stream.next().await.map_err(demo)? {
            Some(Event::Message(message)) => story.tell("frame", text(&message)),
            other => return Err(Failure::Demo(format!("instead of a frame came {other:?}"))),
        }
    }
    Ok(stream.session().jti.clone())
}

async fn remaining(node: &DevNode, session: &SessionId) -> Result<u64, Failure> {
    let state = node.ledger.session(session).await.map_err(demo)?;
    state.map(|session| session.remaining()).ok_or_else(|| Failure::Demo("the session is unknown".into()))
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
