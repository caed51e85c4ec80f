//! Deposits that a reorganisation takes away.

use crate::support::{PRICE, World};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Fate, Landing, Payment};
use tollwire_ledger::{Ledger, SystemClock};
use tollwire_settlement::{Chain, Firmness, Settled, Settler, SettlerConfig};
use tollwire_x402::PaymentId;

struct Scene {
    world: World,
    ledger: Arc<MemoryLedger>,
    settler: Arc<Settler>,
}

impl Scene {
    async fn new() -> Self {
        let world = World::with(8453, |config| config.final_depth = 5).await;
        let clock = Arc::new(SystemClock);
        let ledger = Arc::new(MemoryLedger::new(clock.clone()));
        let chains: Vec<Arc<dyn Chain>> = vec![world.chain.clone()];
        let quick = SettlerConfig { watch_every: Duration::from_millis(20), ..SettlerConfig::default() };
        let settler = Arc::new(Settler::new(ledger.clone(), chains, clock, quick));
        Self { world, ledger, settler }
    }

    async fn deposit(&self) -> (PaymentId, Payment, Landing) {
        let payload = self.world.signed(self.world.authorization());
        let (intent, id) = (self.world.recorded(&payload).intent, payload.id(&self.world.domain()));
        let wait = Duration::from_secs(20);
        let settled =
            self.settler.settle(&self.world.requirements(), intent, id.clone(), wait).await.unwrap();
        assert!(matches!(settled, Settled::Credited { .. }), "{settled:?}");
        let payment = self.ledger.payment(&id).await.unwrap().unwrap();
        let Fate::Credited(landing) = payment.fate.clone() else { panic!("not credited") };
        (id, payment, landing)
    }

    /// Watches until there are so many deposits left to watch.
    async fn until_watched(&self, count: usize) {
        let looking = async {
            while self.settler.watch_once().await.unwrap() != count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.expect("the watcher sees it");
    }
}

#[tokio::test]
async fn a_deposit_that_a_reorganisation_takes_away_is_missed_and_sent_again() {
    let scene = Scene::new().await;
    let anvil = &scene.world.anvil;
    let before = anvil.rpc("evm_snapshot", json!([])).await.unwrap();
    let (_, payment, landing) = scene.deposit().await;

    // The chain goes back, and on without the deposit.
    anvil.set_automine(false).await.unwrap();
    anvil.rpc("evm_revert", json!([before])).await.unwrap();
    anvil.drop_pending().await.unwrap();
    assert_eq!(scene.world.received().await, 0);
    // As long as it is shorter than it was, that proves nothing.
    scene.world.chain.firmness(&payment, &landing).await.unwrap_err();
    anvil.mine(2).await.unwrap();
    assert_eq!(scene.world.chain.firmness(&payment, &landing).await.unwrap(), Firmness::Gone);

    // The watcher sends it again by itself; the next block has it.
    let waiting = async {
        while scene.world.sent().await.1 == 0 {
            scene.settler.watch_once().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("sent again");
    anvil.mine(1).await.unwrap();
    assert_eq!(scene.world.received().await, PRICE, "once");
    let firmness = scene.world.chain.firmness(&payment, &landing).await.unwrap();
    let Firmness::Moved(elsewhere) = firmness else { panic!("{firmness:?}") };
    assert_eq!(elsewhere.tx, landing.tx);
    assert!(elsewhere.block > landing.block);
    assert_eq!(scene.settler.watch_once().await.unwrap(), 1, "watched on");
}

#[tokio::test]
async fn a_deposit_is_watched_until_it_is_final() {
    let scene = Scene::new().await;
    let (_, payment, landing) = scene.deposit().await;
    let chain = &scene.world.chain;
    assert_eq!(chain.firmness(&payment, &landing).await.unwrap(), Firmness::Young);
    assert_eq!(scene.settler.watch_once().await.unwrap(), 1);
    assert!(chain.final_block().await.unwrap() < Some(landing.block));
    scene.world.anvil.mine(5).await.unwrap();
    assert_eq!(chain.firmness(&payment, &landing).await.unwrap(), Firmness::Final);
    assert!(chain.final_block().await.unwrap() >= Some(landing.block));
    scene.until_watched(0).await;
}
