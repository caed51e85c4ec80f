//! Many payments at once, over the settlement procedure, on a real node.

use crate::support::{FUNDS, PRICE, World, config, key};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollwire_exact::evm::{Payload, PrivateKey};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::{Ledger, SystemClock};
use tollwire_settlement::{Chain, SettleError, Settled, Settler, SettlerConfig};
use tollwire_settlement_evm::EvmChain;
use tollwire_testkit::evm::proxy::{Fault, RpcProxy};
use tollwire_x402::reason;

const WAIT: Duration = Duration::from_secs(60);

fn settler(chain: Arc<EvmChain>, ledger: Arc<dyn Ledger>) -> Arc<Settler> {
    let chains: Vec<Arc<dyn Chain>> = vec![chain];
    Arc::new(Settler::new(ledger, chains, Arc::new(SystemClock), SettlerConfig::default()))
}

fn ledger() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::new(Arc::new(SystemClock)))
}

/// As a client does that sends the same again as long as there is no answer about its payment.
async fn settle(world: &World, settler: &Settler, payload: &Payload) -> Result<Settled, SettleError> {
    let began = Instant::now();
    loop {
        let intent = world.recorded(payload).intent;
        match settler.settle(&world.requirements(), intent, payload.id(&world.domain()), WAIT).await {
            Err(SettleError::Chain(_) | SettleError::Busy) | Ok(Settled::Pending { .. })
                if began.elapsed() < WAIT =>
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            answer => return answer,
        }
    }
}

/// Payers with money for this many payments each.
async fn payers(world: &World, count: u8, payments: u64) -> Vec<PrivateKey> {
    let mut payers = Vec::new();
    for byte in 0..count {
        let payer = key(0x60 + byte);
        world.funded(&payer, payments).await;
        payers.push(payer);
    }
    payers
}

/// What one of the mixed settles is, and what must come of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// A payment that was settled before, under another purchase's name.
    Replay,
    BadSignature,
    NoFunds,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mixed_settles_on_one_account_all_end_and_leave_no_gap() {
    let world = Arc::new(World::base().await);
    let mut patient = config(&world.anvil);
    patient.request_timeout = Duration::from_secs(10);
    let settler = settler(Arc::new(EvmChain::connect(patient).await.unwrap()), ledger());
    payers(&world, 20, 50).await;
    let earlier = world.signed(world.authorization());
    assert!(matches!(settle(&world, &settler, &earlier).await, Ok(Settled::Credited { .. })));
    world.anvil.set_block_interval(1).await.unwrap();
    let before = world.received().await;
    let began = Instant::now();
    let gate = Arc::new(tokio::sync::Semaphore::new(64));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_000_usize {
        let kind = match number % 30 {
            7 => Kind::Replay,
            17 => Kind::BadSignature,
            27 => Kind::NoFunds,
            _ => Kind::Good,
        };
        let (world, settler, gate) = (world.clone(), settler.clone(), gate.clone());
        let (payer, earlier) = (key(0x60 + u8::try_from(number % 20).unwrap()), earlier.clone());
        tasks.spawn(async move {
            let _permit = gate.acquire().await.unwrap();
            // Signed now: an authorization is good for a minute.
            let payload = match kind {
                Kind::Good => world.signed_by(&payer),
                Kind::Replay => earlier,
                Kind::NoFunds => world.signed_by(&key(0x5f)),
                Kind::BadSignature => {
                    let mut payload = world.signed_by(&payer);
                    payload.signature[10] ^= 1;
                    payload
                }
            };
            let settled = settle(&world, &settler, &payload).await.unwrap();
            match (kind, settled) {
                (Kind::Good, Settled::Credited { .. })
                | (Kind::Replay, Settled::Credited { fresh: false, .. }) => {}
                (Kind::BadSignature, Settled::Refused(refusal)) => {
                    assert_eq!(refusal.reason, reason::EVM_SIGNATURE);
                }
                (Kind::NoFunds, Settled::Refused(refusal)) => {
                    assert_eq!(refusal.reason, reason::EVM_INSUFFICIENT_BALANCE);
                }
                (_, other) => panic!("number {number}: {other:?}"),
            }
            kind == Kind::Good
        });
    }
    let good = tasks.join_all().await.into_iter().filter(|good| *good).count();
    let took = began.elapsed();
    let (mined, pending) = world.sent().await;
    println!("1,000 mixed settles, {good} good, in {took:?} and {} transactions", mined - 1);
    assert_eq!(mined, pending, "no gap");
    assert_eq!(world.received().await - before, u64::try_from(good).unwrap() * PRICE);
    assert!(took < Duration::from_secs(180), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_settles_of_one_payload_make_one_transaction() {
    let world = Arc::new(World::base().await);
    let settler = settler(world.chain.clone(), ledger());
    let payload = world.signed(world.authorization());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (world, settler, payload) = (world.clone(), settler.clone(), payload.clone());
        tasks.spawn(async move { settle(&world, &settler, &payload).await });
    }
    for settled in tasks.join_all().await {
        assert!(matches!(settled, Ok(Settled::Credited { .. })), "{settled:?}");
    }
    assert_eq!((world.sent().await, world.received().await), ((1, 1), PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_share_one_account_lose_none_of_sixty_four() {
    let world = Arc::new(World::base().await);
    world.anvil.mint(&world.payer.address().to_string(), FUNDS).await.unwrap();
    world.anvil.set_block_interval(1).await.unwrap();
    let ledger = ledger();
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let mut shared = config(&world.anvil);
        shared.lease = Some(ledger.clone());
        replicas.push(settler(Arc::new(EvmChain::connect(shared).await.unwrap()), ledger.clone()));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (world, settler) = (world.clone(), replicas[number % 2].clone());
        let payload = world.signed(world.authorization());
        tasks.spawn(async move { settle(&world, &settler, &payload).await });
    }
    for settled in tasks.join_all().await {
        assert!(matches!(settled, Ok(Settled::Credited { .. })), "{settled:?}");
    }
    let (mined, pending) = world.sent().await;
    println!("64 settles on two replicas: {mined} transactions");
    assert_eq!((mined, world.received().await), (pending, 64 * PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_is_over_soon_after_its_block() {
    let world = Arc::new(World::base().await);
    let settler = settler(world.chain.clone(), ledger());
    world.anvil.set_block_interval(2).await.unwrap();
    let mut took = Vec::new();
    for number in 0..7_u64 {
        // At different moments between two blocks.
        tokio::time::sleep(Duration::from_millis(290 * number)).await;
        let payload = world.signed(world.authorization());
        let began = Instant::now();
        assert!(matches!(settle(&world, &settler, &payload).await, Ok(Settled::Credited { .. })));
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!("settle with blocks of 2 s: p50 {:?}, slowest {:?}", took[3], took[6]);
    assert!(took[3] <= Duration::from_millis(2_300), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_a_second_settle_though_the_node_is_far_and_loses_sends() {
    let world = Arc::new(World::base().await);
    let payers = payers(&world, 20, 20).await;
    world.anvil.set_block_interval(2).await.unwrap();
    let proxy = RpcProxy::start(world.anvil.address()).await.unwrap();
    let mut far = config(&world.anvil);
    far.rpc_url = proxy.url();
    let settler = settler(Arc::new(EvmChain::connect(far).await.unwrap()), ledger());
    proxy.delay(Duration::from_millis(60));
    let mut sends = 0_u32;
    proxy.script(move |methods| {
        if !methods.iter().any(|method| method == "eth_sendRawTransaction") {
            return None;
        }
        sends += 1;
        match sends % 33 {
            5 => Some(Fault::Refused("internal error".into())),
            16 => Some(Fault::Unanswered),
            27 => Some(Fault::Lost),
            _ => None,
        }
    });
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200_usize {
        ticks.tick().await;
        let (world, settler) = (world.clone(), settler.clone());
        let payload = world.signed_by(&payers[number % 20]);
        tasks.spawn(async move {
            let began = Instant::now();
            let settled = settle(&world, &settler, &payload).await;
            assert!(matches!(settled, Ok(Settled::Credited { .. })), "{settled:?}");
            began.elapsed()
        });
    }
    let mut took = tasks.join_all().await;
    took.sort_unstable();
    let (mined, pending) = world.sent().await;
    println!(
        "200 settles at 20 a second: p50 {:?}, p99 {:?}, {mined} transactions, {:?}",
        took[100],
        took[198],
        proxy.count().calls
    );
    assert_eq!((mined, world.received().await), (pending, 200 * PRICE));
}
