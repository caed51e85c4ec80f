//! Deposits that the cluster forgets: what a fork that loses does to everything on it.

use crate::support::{PRICE, World};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::Fate;
use tollwire_ledger::{Command, Ledger, Outcome, SystemClock};
use tollwire_settlement::{Chain, Firmness, Settled, Settler, SettlerConfig};

const WAIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_forgotten_deposit_is_gone_with_its_blockhash_and_freezes_its_session() {
    let world = World::start().await;
    let ledger = Arc::new(MemoryLedger::new(Arc::new(SystemClock)));
    let chains: Vec<Arc<dyn Chain>> = vec![world.chain.clone()];
    let quick = SettlerConfig { watch_every: Duration::from_millis(20), ..SettlerConfig::default() };
    let settler = Settler::new(ledger.clone(), chains, Arc::new(SystemClock), quick);
    let payload = world.payload().await;
    let (intent, id) = (world.recorded(&payload).intent, world.id(&payload));
    let settled = settler.settle(&world.requirements(), intent, id.clone(), WAIT).await.unwrap();
    assert!(matches!(settled, Settled::Credited { .. }), "{settled:?}");
    assert_eq!(world.received().await, PRICE);
    let payment = ledger.payment(&id).await.unwrap().unwrap();
    let Fate::Credited(landing) = payment.fate.clone() else { panic!("not credited") };

    world.node.forget_everything().await.unwrap();
    assert!(world.node.signatures(&world.payer.address().to_string()).await.unwrap().is_empty());
    // As long as its blockhash may live it might be on the way again.
    world.chain.firmness(&payment, &landing).await.unwrap_err();
    settler.watch_once().await.unwrap();
    let session = payment.intent.session.clone();
    assert!(!ledger.session(&session).await.unwrap().unwrap().is_frozen());

    let gone = async {
        while world.chain.firmness(&payment, &landing).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        while !ledger.session(&session).await.unwrap().unwrap().is_frozen() {
            settler.watch_once().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("it is noticed");
    assert_eq!(world.chain.firmness(&payment, &landing).await.unwrap(), Firmness::Gone);
    let hold = Command::Hold {
        session,
        stream: "a-stream-of-this-test".parse().unwrap(),
        fence: None,
        to: 1,
        lease: Duration::from_secs(30),
        streams_max: 10,
    };
    assert_eq!(ledger.apply(hold).await.unwrap(), Outcome::Revoked, "nothing of it is served");
}
