//! Deposits that a reorganisation takes away.

use crate::support::{PRICE, World};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Fate, Landing, Payment, Session};
use tollwire_ledger::{Command, Ledger, Outcome, SystemClock};
use tollwire_settlement::{Chain, Firmness, Settled, Settler, SettlerConfig};
use tollwire_x402::{PaymentId, SessionId};

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
        let (mut intent, id) = (self.world.recorded(&payload).intent, payload.id(&self.world.domain()));
        intent.units = 10;
        let wait = Duration::from_secs(20);
        let settled =
            self.settler.settle(&self.world.requirements(), intent, id.clone(), wait).await.unwrap();
        assert!(matches!(settled, Settled::Credited { .. }), "{settled:?}");
        let payment = self.ledger.payment(&id).await.unwrap().unwrap();
        let Fate::Credited(landing) = payment.fate.clone() else { panic!("not credited") };
        (id, payment, landing)
    }

    /// Watches until the session is as wanted.
    async fn until(&self, session: &SessionId, wanted: impl Fn(&Session) -> bool) {
        let looking = async {
            while !wanted(&self.ledger.session(session).await.unwrap().unwrap()) {
                self.settler.watch_once().await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.expect("the watcher sees it");
    }

    async fn opens(&self, session: &SessionId, stream: u8) -> Outcome {
        let hold = Command::Hold {
            session: session.clone(),
            stream: format!("a-stream-of-this-test-{stream:03}").parse().unwrap(),
            fence: None,
            to: 1,
            lease: Duration::from_secs(30),
            streams_max: 10,
        };
        self.ledger.apply(hold).await.unwrap()
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
async fn a_deposit_that_a_reorganisation_takes_away_freezes_its_session_until_it_is_back() {
    let scene = Scene::new().await;
    let anvil = &scene.world.anvil;
    let before = anvil.rpc("evm_snapshot", json!([])).await.unwrap();
    let (id, payment, landing) = scene.deposit().await;
    let session = payment.intent.session.clone();
    assert!(matches!(scene.opens(&session, 1).await, Outcome::Held { .. }));

    // The chain goes back, and on without the deposit.
    anvil.set_automine(false).await.unwrap();
    anvil.rpc("evm_revert", json!([before])).await.unwrap();
    anvil.drop_pending().await.unwrap();
    assert_eq!(scene.world.received().await, 0);
    // As long as it is shorter than it was, that proves nothing.
    scene.world.chain.firmness(&payment, &landing).await.unwrap_err();
    for _ in 0..5 {
        scene.settler.watch_once().await.unwrap();
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(matches!(scene.opens(&session, 2).await, Outcome::Held { .. }));
    anvil.mine(2).await.unwrap();
    assert_eq!(scene.world.chain.firmness(&payment, &landing).await.unwrap(), Firmness::Gone);
    scene.until(&session, Session::is_frozen).await;
    assert_eq!(scene.opens(&session, 3).await, Outcome::Revoked);
    let watched = scene.ledger.watch(vec![session.clone()]).await.unwrap();
    assert!(watched[0].is_some_and(|watched| watched.revoked), "live streams end");

    // The watcher sent it again by itself; the next block has it.
    anvil.mine(1).await.unwrap();
    let firmness = scene.world.chain.firmness(&payment, &landing).await.unwrap();
    let Firmness::Moved(elsewhere) = firmness else { panic!("{firmness:?}") };
    assert_eq!(elsewhere.tx, landing.tx);
    scene.until(&session, |session| !session.is_frozen()).await;
    assert!(matches!(scene.opens(&session, 3).await, Outcome::Held { .. }));
    let Fate::Credited(again) = scene.ledger.payment(&id).await.unwrap().unwrap().fate else {
        panic!("not credited")
    };
    assert_eq!((&again.tx, again.gas, again.block), (&landing.tx, landing.gas, elsewhere.block));
    assert!(again.block > landing.block);
    let row = scene.ledger.session(&session).await.unwrap().unwrap();
    assert_eq!((row.last_block, row.bought), (again.block, payment.intent.units));
    assert_eq!(scene.world.received().await, PRICE, "once");
    assert_eq!(scene.settler.watch_once().await.unwrap(), 1, "watched on");

    // Deep enough it is final, and watched no more.
    anvil.mine(5).await.unwrap();
    scene.until_watched(0).await;
}

/// The process that credited it is gone; another finds it, as long as it is not final.
#[tokio::test]
async fn a_deposit_of_a_process_that_is_gone_is_watched_by_the_next() {
    let mut scene = Scene::new().await;
    let (_, _, landing) = scene.deposit().await;
    let chains: Vec<Arc<dyn Chain>> = vec![scene.world.chain.clone()];
    let quick = SettlerConfig { watch_every: Duration::from_millis(20), ..SettlerConfig::default() };
    scene.settler = Arc::new(Settler::new(scene.ledger.clone(), chains, Arc::new(SystemClock), quick));
    assert_eq!(scene.settler.watch_once().await.unwrap(), 1);
    scene.world.anvil.mine(5).await.unwrap();
    assert!(scene.world.chain.final_block().await.unwrap() >= Some(landing.block));
    scene.until_watched(0).await;
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
