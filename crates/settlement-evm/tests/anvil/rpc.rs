//! How often a node is asked.

use crate::support::{World, attempt_shared, attempt_together, config, key, now, until_landed};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tollwire_settlement::{Chain, Firmness, Observation};
use tollwire_settlement_evm::EvmChain;
use tollwire_testkit::evm::proxy::{Fault, RpcProxy};

/// A world, and a chain whose requests to its node are counted.
async fn counted() -> (World, RpcProxy, EvmChain) {
    let world = World::base().await;
    let proxy = RpcProxy::start(world.anvil.address()).await.unwrap();
    let mut counted = config(&world.anvil);
    counted.rpc_url = proxy.url();
    let chain = EvmChain::connect(counted).await.unwrap();
    (world, proxy, chain)
}

#[tokio::test]
async fn an_operation_is_one_request_or_few() {
    let (world, proxy, chain) = counted().await;
    let chain = Arc::new(chain);
    let requirements = world.requirements();
    let payload = world.signed(world.authorization());
    proxy.count();

    chain.verify(&requirements, &payload.to_json(), now()).await.unwrap().unwrap();
    let verified = proxy.count();
    println!("verify: {} request, {:?}", verified.requests, verified.calls);
    assert_eq!((verified.requests, verified.total()), (1, 3));

    // What fails by itself is not asked about.
    let mut late = requirements.clone();
    late.scheme = "upto".into();
    chain.verify(&late, &payload.to_json(), now()).await.unwrap().unwrap_err();
    assert_eq!(proxy.count().requests, 0);

    let mut payment = world.recorded(&payload);
    attempt_shared(&chain, &mut payment).await.unwrap();
    let sent = proxy.count();
    println!("prepare and broadcast: {} requests, {:?}", sent.requests, sent.calls);
    assert_eq!((sent.requests, sent.total()), (2, 8));
    world.mined(&payment.attempts[0].tx).await;
    proxy.count();
    until_landed(&chain, &payment).await;
    let observed = proxy.count();
    println!("observe: {} request, {:?}", observed.requests, observed.calls);
    assert_eq!((observed.requests, observed.total()), (1, 2));

    // Ten together are prepared by one request and sent by one.
    let mut payments = Vec::new();
    for byte in 0..10 {
        world.funded(&key(0x80 + byte), 1).await;
        payments.push(world.payment_by(&key(0x80 + byte)));
    }
    proxy.count();
    let done = attempt_together(&chain, payments).await;
    let sent = proxy.count();
    println!("prepare and broadcast of ten: {} requests, {:?}", sent.requests, sent.calls);
    assert_eq!((sent.requests, sent.total()), (2, 26));
    assert!(done.iter().all(|(_, attempt)| attempt.is_ok()));

    assert_eq!((chain.company(&done[0].0), chain.company(&payment)), (10, 1));
    let mut again = done[0].0.clone();
    again.attempts.push(payment.attempts[0].clone());
    assert_eq!(chain.company(&again), 1, "two transactions to look for");

    // And looked at by one, as long as they wait, and when they have landed.
    world.mined(&done[0].0.attempts[0].tx).await;
    proxy.count();
    let looks = join_all(done.iter().map(|(payment, _)| chain.observe(payment))).await;
    let observed = proxy.count();
    println!("observe ten: {} request, {:?}", observed.requests, observed.calls);
    assert_eq!((observed.requests, observed.total()), (1, 2));
    let landings: Vec<_> = looks
        .into_iter()
        .map(|look| match look.unwrap() {
            Observation::Landed(landing) => landing,
            other => panic!("{other:?}"),
        })
        .collect();
    let pairs = done.iter().zip(&landings);
    let firm = join_all(pairs.map(|((payment, _), landing)| chain.firmness(payment, landing))).await;
    assert!(firm.iter().all(|firm| matches!(firm, Ok(Firmness::Young))), "{firm:?}");
    assert!(proxy.count().requests <= 1);

    // Those of transactions of their own are made sure of in one request, too, where many are due.
    let Observation::Landed(landing) = chain.observe(&payment).await.unwrap() else { panic!("it is there") };
    proxy.count();
    let firm = join_all((0..8).map(|_| chain.firmness(&payment, &landing))).await;
    let asked = proxy.count();
    assert!(firm.iter().all(Result::is_ok), "{firm:?}");
    assert_eq!((asked.requests, asked.total()), (1, 16));
}

#[tokio::test]
async fn a_node_that_takes_one_call_at_a_time_is_asked_so() {
    let (world, proxy, chain) = counted().await;
    proxy.script(|methods| (methods.len() > 1).then_some(Fault::NoBatches));
    let mut payment = world.payment();
    attempt_shared(&chain, &mut payment).await.unwrap();
    until_landed(&chain, &payment).await;
    proxy.count();
    let payload = world.signed(world.authorization());
    chain.verify(&world.requirements(), &payload.to_json(), now()).await.unwrap().unwrap();
    let verified = proxy.count();
    assert_eq!((verified.requests, verified.total()), (3, 3), "not tried again");
}

/// Payloads of so many authorizations that differ.
fn payloads(world: &World, count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|_| world.signed(world.authorization()).to_json()).collect()
}

#[tokio::test]
async fn verifications_that_come_at_the_same_moment_share_a_request() {
    let (world, proxy, chain) = counted().await;
    let (requirements, payloads) = (world.requirements(), payloads(&world, 12));
    chain.verify(&requirements, &payloads[0], now()).await.unwrap().unwrap();
    proxy.count();
    let verified = join_all(payloads.iter().map(|payload| chain.verify(&requirements, payload, now()))).await;
    assert!(verified.into_iter().all(|verified| verified.unwrap().is_ok()));
    let asked = proxy.count();
    assert_eq!((asked.requests, asked.total()), (1, 24));
    // One is told from the other: the seventh payer has no money.
    let mut wrong = payloads.clone();
    wrong[6] = world.signed_by(&key(0x70)).to_json();
    let verified = join_all(wrong.iter().map(|payload| chain.verify(&requirements, payload, now()))).await;
    let sound: Vec<bool> = verified.into_iter().map(|verified| verified.unwrap().is_ok()).collect();
    assert_eq!(sound, (0..12).map(|number| number != 6).collect::<Vec<_>>());
    // More than fit in one go in two.
    let more: Vec<_> = payloads.iter().chain(&payloads).collect();
    proxy.count();
    join_all(more.into_iter().map(|payload| chain.verify(&requirements, payload, now()))).await;
    assert_eq!(proxy.count().requests, 2);
}

#[tokio::test]
async fn who_asked_for_all_may_go_away() {
    let (world, proxy, chain) = counted().await;
    let chain = Arc::new(chain);
    proxy.delay(Duration::from_millis(300));
    let mut tasks = tokio::task::JoinSet::new();
    let mut first = None;
    for payload in payloads(&world, 4) {
        let (chain, requirements) = (Arc::clone(&chain), world.requirements());
        let task = tasks.spawn(async move { chain.verify(&requirements, &payload, now()).await });
        first.get_or_insert(task);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.unwrap().abort();
    let mut sound = 0;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(verified) => {
                verified.unwrap().unwrap();
                sound += 1;
            }
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
    assert_eq!(sound, 3);
}

#[tokio::test]
async fn a_node_that_takes_few_calls_at_a_time_is_asked_so() {
    let (world, proxy, chain) = counted().await;
    proxy.script(|methods| (methods.len() > 6).then_some(Fault::NoBatches));
    let (requirements, payloads) = (world.requirements(), payloads(&world, 12));
    let verify_all = || join_all(payloads.iter().map(|payload| chain.verify(&requirements, payload, now())));
    for _ in 0..2 {
        proxy.count();
        let verified = verify_all().await;
        assert!(verified.into_iter().all(|verified| verified.unwrap().is_ok()));
    }
    let asked = proxy.count();
    assert_eq!((asked.requests, asked.total()), (4, 24), "six at a time, and nothing refused any more");
}
