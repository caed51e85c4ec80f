//! Payments that landed before they were presented: credited once if they are ours, refused otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::plug::{Plug, PluggedChain, PluggedLedger};
use support::{PRICE, Scene, Signed, VALIDITY, WAIT, credited, pending, refused, usdc};
use tollwire_ledger::model::Fate;
use tollwire_settlement::SettlerConfig;
use tollwire_x402::reason;

/// A payment that a stranger has submitted, a moment after the store began.
async fn stolen(scene: &Scene, nonce: u8) -> (Signed, String) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let signed = scene.sign(nonce);
    let tx = scene.chain.submit_as_stranger(&signed.payload);
    (signed, tx)
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_submitted_first_is_credited_exactly_once() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    let (signed, tx) = stolen(&scene, 1).await;
    assert_eq!(
        signed.settle(&settler).await.unwrap(),
        tollwire_settlement::Settled::Unclaimed,
        "presenting is no proof"
    );
    assert_eq!(scene.payment(&signed.id).await, None);
    let calls = (0..20).map(|candidate| {
        let (settler, signed) = (settler.clone(), signed.clone());
        tokio::spawn(async move { signed.claim_within(&settler, candidate, WAIT).await })
    });
    let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| credited(answer.unwrap())).collect();
    assert_eq!(answers.iter().filter(|(_, fresh)| *fresh).count(), 1);
    let payment = &answers[0].0;
    assert!(answers.iter().all(|(other, _)| other == payment));
    let Fate::Credited(landing) = &payment.fate else { panic!() };
    assert_eq!((&landing.tx, landing.gas.atomic(), payment.attempts.len()), (&tx, 0, 0), "nothing was sent");
    assert_eq!((scene.chain.height(), scene.transfers_of(&signed), scene.units_bought().await), (1, 1, 1));
    // Long after, the answer stands.
    tokio::time::sleep(Duration::from_secs(100 * VALIDITY)).await;
    assert!(!credited(signed.claim(&settler).await).1);
    assert_eq!(scene.units_bought().await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_landed_before_the_store_began_is_refused() {
    let old = Scene::new();
    let (signed, _) = stolen(&old, 1).await;
    // The store is a new one; nobody knows what the former granted.
    let ledger = Arc::new(tollwire_ledger::memory::MemoryLedger::new(old.clock.clone()));
    let scene = Scene { ledger, ..old };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(refused(signed.claim(&scene.settler("a")).await).reason, reason::EVM_NONCE_ALREADY_USED);
    assert_eq!((scene.payment(&signed.id).await, scene.units_bought().await), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_no_payment_to_us_is_refused() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cancelled = scene.sign(1);
    scene.chain.cancel(&cancelled.payload);
    // The same nonce, spent on less.
    let cheap = scene.sign(2);
    scene.chain.submit_as_stranger(&scene.sign_with(2, |a| a.value = usdc(PRICE - 1)).payload);
    // Landed for us, but valid for longer than anybody would remember it.
    let now = scene.clock.now().secs();
    let long = scene.sign_with(3, |a| a.valid_before = now + VALIDITY + 61);
    scene.chain.submit_as_stranger(&long.payload);
    // To somebody else's wallet.
    let elsewhere =
        scene.sign_with(4, |a| a.to = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C".parse().unwrap());
    scene.chain.submit_as_stranger(&elsewhere.payload);
    for (signed, reason) in [
        (cancelled, reason::EVM_NONCE_ALREADY_USED),
        (cheap, reason::EVM_NONCE_ALREADY_USED),
        (long, reason::EVM_VALID_BEFORE),
        (elsewhere, reason::EVM_NONCE_ALREADY_USED),
    ] {
        assert_eq!(refused(signed.claim(&settler).await).reason, reason);
        assert_eq!(scene.payment(&signed.id).await, None);
    }
    // A plain payment, even to the deposit wallet: another server's business.
    let (plain, _) = stolen(&scene, 5).await;
    let mut intent = plain.intent(1);
    intent.plain = true;
    let answer = settler.claim(&plain.requirements, intent, plain.id.clone(), WAIT).await;
    assert_eq!(refused(answer).reason, reason::EVM_NONCE_ALREADY_USED);
    // Too late: its window has passed, and with it the time to tell whose it is.
    let (late, _) = stolen(&scene, 6).await;
    tokio::time::sleep(Duration::from_secs(VALIDITY)).await;
    assert_eq!(refused(late.claim(&settler).await).reason, reason::EVM_VALID_BEFORE);
    assert_eq!(scene.units_bought().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_deep_enough_is_pending_and_unrecorded() {
    let scene = Scene::new();
    let settler = scene.settler("a");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let signed = scene.sign(1);
    let delay = Duration::from_secs(10);
    scene.chain.faults().next_broadcast(tollwire_settlement::dev::BroadcastFault::ReceiptAfter(delay));
    let other = scene.settler_over(
        Arc::new(tollwire_ledger::memory::MemoryLedger::new(scene.clock.clone())),
        scene.chain.clone(),
        SettlerConfig::named("elsewhere"),
    );
    let tx = pending(signed.claim_within(&other, 1, Duration::from_secs(1)).await);
    assert_eq!(pending(signed.claim(&settler).await), tx);
    assert_eq!(scene.payment(&signed.id).await, None);
    tokio::time::sleep(delay).await;
    assert!(credited(signed.claim(&settler).await).1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_anywhere_in_between_loses_nothing() {
    for after in [false, true] {
        for at in 0.. {
            let scene = Scene::new();
            let (signed, _) = stolen(&scene, 1).await;
            let plug = Plug::at(at, after);
            let ledger = PluggedLedger { plug: plug.clone(), inner: scene.ledger.clone() };
            let chain = PluggedChain { plug: plug.clone(), inner: scene.chain.clone(), lag: Duration::ZERO };
            let settler = scene.settler_over(Arc::new(ledger), Arc::new(chain), SettlerConfig::named("a"));
            let cut = tokio::select! {
                answer = signed.claim(&settler) => { credited(answer); false }
                () = plug.pulled() => true,
            };
            drop(settler);
            let next = scene.settler("b");
            credited(signed.claim(&next).await);
            assert_eq!((scene.chain.height(), scene.units_bought().await), (1, 1), "cut at {at}");
            if !cut {
                break;
            }
        }
    }
}
