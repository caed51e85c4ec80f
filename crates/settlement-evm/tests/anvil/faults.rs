//! Whatever the way to the node does, and whenever the process dies: nobody pays twice, no transaction is lost sight of,
//! and everything comes right by itself.
//!
//! `SIM_SEED=<n> cargo test --test anvil faults` replays one story; `SIM_RUNS=<n>` sets how many are told.

use crate::support::{PRICE, World, config, key};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tollwire_exact::evm::Payload;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::Fate;
use tollwire_ledger::{Ledger, SystemClock};
use tollwire_settlement::{Chain, SettleError, Settled, Settler, SettlerConfig};
use tollwire_settlement_evm::EvmChain;
use tollwire_testkit::evm::proxy::{Fault, RpcProxy};

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// A process: a chain through the bad way, and a settler on the common ledger.
async fn process(world: &World, proxy: &RpcProxy, ledger: &Arc<MemoryLedger>, name: String) -> Arc<Settler> {
    let mut bad = config(&world.anvil);
    bad.rpc_url = proxy.url();
    bad.request_timeout = Duration::from_millis(700);
    bad.lease = Some(ledger.clone());
    bad.turn_lease = Duration::from_secs(2);
    let chain = loop {
        if let Ok(chain) = EvmChain::connect(bad.clone()).await {
            break chain;
        }
    };
    let mut quick = SettlerConfig::named(name);
    quick.attempt_after = Duration::from_secs(2);
    quick.attempts_max = 16;
    quick.lease = Duration::from_secs(2);
    quick.reconcile_every = Duration::from_millis(500);
    quick.reconcile_backoff_max = Duration::from_secs(1);
    let chains: Vec<Arc<dyn Chain>> = vec![Arc::new(chain)];
    Arc::new(Settler::new(ledger.clone(), chains, Arc::new(SystemClock), quick))
}

async fn settle(
    world: &World,
    settler: &Settler,
    payload: &Payload,
    wait: Duration,
) -> Result<Settled, SettleError> {
    let intent = world.recorded(payload).intent;
    settler.settle(&world.requirements(), intent, payload.id(&world.domain()), wait).await
}

/// A way that gets worse requests than it deserves.
fn badly(mut dice: Dice) -> impl FnMut(&[String]) -> Option<Fault> + Send {
    move |methods| {
        let sends = methods.iter().any(|method| method == "eth_sendRawTransaction");
        match dice.roll(if sends { 8 } else { 24 }) {
            0 => Some(Fault::Lost),
            1 => Some(Fault::Unanswered),
            2 => Some(Fault::Late(Duration::from_millis(50 + dice.roll(900)))),
            3 => Some(Fault::StaleCounts(1 + dice.roll(2))),
            4 => Some(Fault::Refused("internal error".into())),
            _ => None,
        }
    }
}

async fn story(seed: u64) {
    let mut dice = Dice(seed);
    let world = Arc::new(World::base().await);
    world.anvil.set_block_interval(1).await.unwrap();
    let proxy = RpcProxy::start(world.anvil.address()).await.unwrap();
    let ledger = Arc::new(MemoryLedger::new(Arc::new(SystemClock)));
    let mut payloads = Vec::new();
    for number in 0..12 {
        let payer = key(0x80 + number % 4);
        world.funded(&payer, 1).await;
        payloads.push(world.signed_by(&payer));
    }
    // Two processes live, one after the other, and die with everything under way.
    for life in 0..2 {
        proxy.heal();
        let settler = process(&world, &proxy, &ledger, format!("{seed}-{life}")).await;
        proxy.script(badly(Dice(seed ^ (life + 1))));
        let mut tasks = tokio::task::JoinSet::new();
        for payload in payloads.clone() {
            let (world, settler) = (world.clone(), settler.clone());
            let late = Duration::from_millis(dice.roll(600));
            tasks.spawn(async move {
                tokio::time::sleep(late).await;
                drop(settle(&world, &settler, &payload, Duration::from_secs(9)).await);
            });
        }
        let dies_after = Duration::from_millis(300 + dice.roll(3_500));
        drop(tokio::time::timeout(dies_after, async { while tasks.join_next().await.is_some() {} }).await);
        tasks.shutdown().await;
        drop(settler);
    }
    proxy.heal();
    let last = process(&world, &proxy, &ledger, format!("{seed}-last")).await;
    let _reconciler = last.spawn_reconciler();
    for payload in &payloads {
        let settled = settle(&world, &last, payload, Duration::from_secs(45)).await;
        assert!(matches!(settled, Ok(Settled::Credited { .. })), "seed {seed}: {settled:?}");
    }
    finally(&world, ledger.as_ref(), &payloads, seed).await;
}

/// What holds in the end.
async fn finally(world: &World, ledger: &dyn Ledger, payloads: &[Payload], seed: u64) {
    let transfers = world.anvil.transfers_to(world.deposit_wallet()).await.unwrap();
    assert_eq!(transfers.len(), payloads.len(), "seed {seed}: each moved once");
    assert_eq!(world.received().await, u64::try_from(payloads.len()).unwrap() * PRICE);
    let mut known = BTreeSet::new();
    for payload in payloads {
        let payment = ledger.payment(&payload.id(&world.domain())).await.unwrap().unwrap();
        let Fate::Credited(landing) = &payment.fate else { panic!("seed {seed}: {:?}", payment.fate) };
        assert!(transfers.iter().any(|transfer| transfer.tx == landing.tx), "seed {seed}: an invented hash");
        known.extend(payment.attempts.iter().map(|attempt| attempt.tx.clone()));
    }
    assert!(
        transfers.iter().all(|transfer| known.contains(&transfer.tx)),
        "seed {seed}: something went out that nobody had on record"
    );
    assert!(ledger.in_doubt(None, 1).await.unwrap().is_empty(), "seed {seed}");
    let (mined, pending) = world.sent().await;
    assert_eq!(mined, pending, "seed {seed}: a gap");
}

fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_double_charge_no_lost_transaction_and_recovery_by_itself() {
    let first = knob("SIM_SEED").unwrap_or(1);
    let runs = knob("SIM_RUNS").unwrap_or(3);
    for seed in first..first + runs {
        story(seed).await;
    }
}
