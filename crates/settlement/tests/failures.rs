//! Payers whose payments pass and then come to nothing, on the dev chain.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::time::Duration;
use support::{Scene, VALIDITY, credited, pending, refused, usdc};
use tollwire_settlement::SettlerConfig;
use tollwire_settlement::dev::BroadcastFault;
use tollwire_x402::reason;

#[tokio::test(start_paused = true)]
async fn a_nonce_spent_on_another_transfer_is_dead() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let signed = scene.sign(1);
    let elsewhere = scene.sign_with(1, |a| a.value = usdc(1));
    scene.chain.faults().next_broadcast(BroadcastFault::Dropped);
    pending(signed.settle_within(&settler, 1, Duration::ZERO).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    scene.chain.submit_as_stranger(&elsewhere.payload);
    assert_eq!(refused(signed.settle(&settler).await).reason, reason::EVM_NONCE_ALREADY_USED);
    assert_eq!(scene.units_bought().await, 0);
}

#[tokio::test(start_paused = true)]
async fn who_cancels_again_and_again_is_sent_nothing_more_for_an_hour() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let bound = u8::try_from(SettlerConfig::default().failures_per_payer).unwrap();
    for nonce in 1..=bound {
        scene.chain.faults().next_broadcast(BroadcastFault::Cancelled);
        let refusal = refused(scene.sign(nonce).settle(&settler).await);
        assert_eq!(refusal.reason, reason::EVM_NONCE_ALREADY_USED);
    }
    let mined = scene.chain.height();
    let refusal = refused(scene.sign(100).settle(&settler).await);
    assert_eq!(refusal.reason, reason::SPONSOR_BUDGET_EXHAUSTED);
    assert!(refusal.message.contains("may pay again in 3"), "{}", refusal.message);
    assert_eq!((scene.chain.height(), scene.in_doubt().await), (mined, 0), "nothing was sent for it");
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(credited(scene.sign(101).settle(&settler).await).1);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_ran_out_unsent_is_not_held_against_its_payer() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    for nonce in 1..=10 {
        for _ in 0..100 {
            scene.chain.faults().next_broadcast(BroadcastFault::Dropped);
        }
        let wait = Duration::from_secs(VALIDITY + 120);
        let refusal = refused(scene.sign(nonce).settle_within(&settler, 1, wait).await);
        assert_eq!(refusal.reason, reason::EVM_VALID_BEFORE);
        scene.chain.faults().heal();
    }
    assert!(credited(scene.sign(11).settle(&settler).await).1);
}
