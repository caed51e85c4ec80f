//! kill -9 at random moments of paying, opening and closing. Afterwards: every transfer on chain has its session,
//! no payment two, no stream was charged twice, and the books balance.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

use futures_util::future::join_all;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::{Agent, fresh_nonce};
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::{get, try_get};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, Settings, Store};
use tollwire_tests::ws;

/// Kills per store.
const KILLS: usize = 300;
/// Agents at work meanwhile.
const AGENTS: usize = 6;
/// What each payment buys: 10 units of one cent.
const DEPOSIT: u64 = 100_000;

/// What one agent remembers, as an honest one would.
#[derive(Default)]
struct Memory {
    /// Sessions by payment, in order.
    sessions: Vec<String>,
    /// Their tokens.
    tokens: Vec<String>,
    /// Streams it asked for, each retried under its own id until it was open or refused for good.
    asked: u64,
    /// Streams that were open.
    opened: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_ledger_survives_every_kill() {
    survives(Store::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_on_redis_survives_every_kill() {
    let redis = RedisServer::start().await.unwrap();
    survives(Store::Redis(redis.url())).await;
}

async fn survives(store: Store) {
    let anvil = Anvil::start(8453).await.unwrap();
    let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(20))).await.unwrap();
    let chain = Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    let settings = Settings { store, chain, ..Settings::dev(vec![Feed::ticks(upstream.url("/"))]) };
    let mut facilitator =
        Facilitator::start(Settings { limits: "settlement_lease = \"1s\"".into(), ..settings }).await;
    let agents: Vec<Agent> = (0..AGENTS).map(|_| Agent::new()).collect();
    for agent in &agents {
        anvil.mint(&agent.address(), 1_000_000_000).await.unwrap();
    }

    let enough = Arc::new(AtomicBool::new(false));
    let steps = Arc::new(AtomicUsize::new(0));
    let session_url = facilitator.url("/feeds/ticks/session");
    let ws_url = facilitator.ws_url("/feeds/ticks/ws");
    let work: Vec<_> = agents
        .into_iter()
        .map(|agent| {
            let (enough, steps) = (Arc::clone(&enough), Arc::clone(&steps));
            tokio::spawn(live(agent, session_url.clone(), ws_url.clone(), enough, steps))
        })
        .collect();
    for kill in 0..KILLS {
        // From "while it starts" to "well under way", spread evenly; now and then long enough to finish what the
        // lease of a killed process kept waiting.
        let wait = if kill % 6 == 5 { 2_500 } else { 5 + (u64::try_from(kill).unwrap() * 37) % 180 };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        facilitator.crash_and_restart().await;
    }
    enough.store(true, Ordering::SeqCst);
    let memories = join_all(work).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert!(
        steps.load(Ordering::SeqCst) > KILLS / 4,
        "the agents hardly got anything done between the kills"
    );
    check(&anvil, &facilitator, &memories).await;
}

/// Pays, opens streams until the session is spent, pays again; repeats whatever was not answered.
async fn live(
    agent: Agent,
    session_url: String,
    ws_url: String,
    enough: Arc<AtomicBool>,
    steps: Arc<AtomicUsize>,
) -> Memory {
    let mut memory = Memory::default();
    while !enough.load(Ordering::SeqCst) {
        let (session, token) = pay(&agent, &session_url).await;
        memory.sessions.push(session);
        memory.tokens.push(token.clone());
        steps.fetch_add(1, Ordering::SeqCst);
        for _ in 0..10 {
            if enough.load(Ordering::SeqCst) {
                break;
            }
            memory.asked += 1;
            if open_once(&ws_url, &token).await {
                memory.opened += 1;
                steps.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    memory
}

/// One payment, sent until it is answered with its session.
async fn pay(agent: &Agent, url: &str) -> (String, String) {
    let bill = loop {
        match try_get(url, &[]).await {
            Ok(answer) if answer.status == 402 => break answer.decoded("payment-required"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let offer = tollwire_tests::agent::offer(&bill, DEPOSIT);
    let payment = agent.pay_v2(&bill, &offer, &Agent::terms(&offer));
    loop {
        match try_get(url, &[(payment.header, &payment.value)]).await {
            Ok(answer) if answer.status == 200 => {
                let body = answer.json();
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                return (text(&body["session"]["jti"]), text(&body["token"]));
            }
            // Unreachable, interrupted, or still in doubt: the same payment again, never another.
            Ok(answer) if answer.status == 503 || answer.status == 429 => {}
            Ok(answer) => panic!("a payment in doubt was answered with {answer:?}"),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Opens one stream under one id, again and again until it is open or refused for good; reads a little; leaves.
async fn open_once(url: &str, token: &str) -> bool {
    let id = hex::encode(fresh_nonce());
    let bearer = format!("Bearer {token}");
    for _ in 0..500 {
        match ws::try_open(url, &[("authorization", &bearer), ("tollwire-stream", &id)]).await {
            Ok(Ok(mut socket)) => {
                socket.read_for(Duration::from_millis(30)).await;
                return true;
            }
            Ok(Err(refused)) if refused.status == 503 || refused.status == 502 || refused.status == 429 => {}
            // Its id was held more than 30 s ago, or the session is spent (by holds that have not lapsed yet).
            Ok(Err(refused)) if refused.status == 409 || refused.status == 403 => return false,
            Ok(Err(refused)) => panic!("an open was answered with {refused:?}"),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

async fn check(anvil: &Anvil, facilitator: &Facilitator, memories: &[Memory]) {
    let sessions: Vec<&String> = memories.iter().flat_map(|memory| &memory.sessions).collect();
    let distinct: HashSet<&String> = sessions.iter().copied().collect();
    assert_eq!(distinct.len(), sessions.len(), "two payments share a session");
    let transfers = anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
    assert_eq!(transfers.len(), sessions.len(), "transfers on chain and sessions differ");
    assert!(transfers.iter().all(|transfer| transfer.value == DEPOSIT));
    eprintln!(
        "{KILLS} kills: {} payments, {} streams opened of {} asked for",
        sessions.len(),
        memories.iter().map(|memory| memory.opened).sum::<u64>(),
        memories.iter().map(|memory| memory.asked).sum::<u64>()
    );
    for memory in memories {
        for token in &memory.tokens {
            let online =
                get(&facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await;
            assert_eq!(online.json()["active"], true, "{online:?}");
        }
    }
    // Holds of streams that a kill cut off lapse by themselves; then the books show used and unused only.
    let admin = format!("Bearer {ADMIN_TOKEN}");
    let mut totals = serde_json::Value::Null;
    for _ in 0..60 {
        let books = get(&facilitator.admin_url("/admin/ledger"), &[("authorization", &admin)]).await;
        totals = books.json();
        if totals["totals"]["held"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let number =
        |name: &str| totals["totals"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {totals}"));
    assert_eq!(totals["payments_in_doubt"], 0, "{totals}");
    assert_eq!(number("bought"), u64::try_from(sessions.len()).unwrap() * 10);
    assert_eq!(
        number("captured") + number("held") + number("remaining") + number("refunded") + number("expired"),
        number("bought")
    );
    let opened: u64 = memories.iter().map(|memory| memory.opened).sum();
    let asked: u64 = memories.iter().map(|memory| memory.asked).sum();
    let captured = number("captured");
    assert!(
        captured >= opened,
        "{opened} streams were served and {captured} paid: some were served for nothing"
    );
    assert!(
        captured <= asked,
        "{asked} streams were asked for and {captured} charged: some were charged twice"
    );
}
