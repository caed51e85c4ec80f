//! A node that is silent, slow or cut off is never evidence, and what it knows of us it keeps to itself.

use crate::support::{PRICE, SLOT, World, landed, prepare, until_known};
use std::time::Duration;
use tollwire_settlement::{Chain, ChainError};
use tollwire_settlement_solana::SolanaConfig;
use tollwire_testkit::link::{Direction, FaultLink, Faults};
use tollwire_testkit::solana::Surfnet;
use tollwire_x402::v2::Extra;

async fn linked() -> (World, FaultLink) {
    let node = Surfnet::start(SLOT).await.unwrap();
    let link = FaultLink::start(node.address()).await.unwrap();
    let url = format!("http://{}/?api-key=s3cret", link.address());
    let change = |config: &mut SolanaConfig| {
        config.rpc_url = url;
        config.request_timeout = Duration::from_secs(2);
    };
    (World::on(node, change).await, link)
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_proves_nothing_and_its_key_is_not_told() {
    let (world, link) = linked().await;
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    let payload = world.payload().await;
    for faults in [Faults { refuse: true, ..Faults::default() }, Faults { stuck: true, ..Faults::default() }]
    {
        link.set(faults);
        link.cut();
        let errors = [
            world.chain.observe(&payment).await.unwrap_err(),
            world.chain.broadcast(&attempt).await.unwrap_err(),
            world.chain.verify(&world.requirements(), &payload, 0).await.unwrap_err(),
            prepare(&world.chain, &mut world.recorded(&payload)).await.unwrap_err(),
            world.chain.outgoing_gas(&world.payer.address().to_string()).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, ChainError::Unavailable(_)), "{error}");
            assert!(
                !error.to_string().contains("s3cret") && !error.to_string().contains("127.0.0.1"),
                "{error}"
            );
        }
        link.set(Faults::default());
        link.cut();
    }
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    world.chain.broadcast(&attempt).await.unwrap();
    landed(until_known(&world.chain, &payment).await);
    assert_eq!(world.received().await, PRICE);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_payment_that_is_found_again() {
    let (world, link) = linked().await;
    let mut payment = world.payment().await;
    let attempt = prepare(&world.chain, &mut payment).await.unwrap();
    // The request arrives, its answer does not.
    link.set(Faults { drop_after: Some((Direction::FromTarget, 1)), ..Faults::default() });
    link.cut();
    world.chain.broadcast(&attempt).await.unwrap_err();
    link.set(Faults::default());
    link.cut();
    // As the procedure does; to the cluster it is the same transaction.
    world.chain.broadcast(&attempt).await.unwrap();
    landed(until_known(&world.chain, &payment).await);
    assert_eq!(world.arrivals().await, 1);
}

#[tokio::test]
async fn offers_do_not_wait_for_a_node_that_is_stuck() {
    let (world, link) = linked().await;
    assert!(world.chain.offer_hints().await.contains_key("recentBlockhash"));
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    link.set(Faults { stuck: true, ..Faults::default() });
    link.cut();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(world.chain.offer_hints().await, Extra::new());
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
