//! Buying sessions from a seller that checks everything, and sometimes loses it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use support::{Fault, Seller, payer};
use tollwire_client::Error;

#[tokio::test]
async fn a_402_is_paid_with_the_first_offer_that_fits() {
    let seller = Seller::start().await;
    let payer = payer();
    let session = payer.buy(&seller.url()).await.unwrap();
    assert_eq!(session.paid.to_string(), "$0.10", "the ten-dollar offer stands first and is above the cap");
    assert_eq!((session.units_remaining, session.transaction.as_deref()), (10, Some("0xabcd")));
    assert_eq!(payer.budget().left().to_string(), "$0.15");
    let shown = format!("{session:?} {payer:?} {:?}", session.payment());
    assert!(!shown.contains(session.token()) && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_lost_answer_is_collected_never_paid_again() {
    for faults in [
        vec![Fault::LoseAnswer],
        vec![Fault::Pending, Fault::Pending],
        vec![Fault::PendingAs402, Fault::LoseAnswer],
    ] {
        let seller = Seller::start().await;
        seller.state().faults.extend(&faults);
        let payer = payer();
        let session = payer.buy(&seller.url()).await.unwrap();
        assert_eq!(seller.state().sold.len(), 1, "{faults:?}");
        assert_eq!(seller.state().paid_requests, faults.len() + 1);
        assert_eq!(payer.budget().spent(), session.paid);
    }
}

#[tokio::test]
async fn an_undecided_payment_is_collected_by_the_next_purchase() {
    let seller = Seller::start().await;
    seller.state().faults.extend([Fault::Pending; 3]);
    let payer = payer();
    let error = payer.buy(&seller.url()).await.unwrap_err();
    assert_eq!(error, Error::Undecided { transaction: None });
    let session = payer.buy(&seller.url()).await.unwrap();
    assert_eq!((seller.state().sold.len(), payer.budget().spent()), (1, session.paid));
    assert!(payer.give_up(&seller.url()).await.unwrap().is_none());
    // Decided now: the next purchase is another.
    payer.buy(&seller.url()).await.unwrap();
    assert_eq!(seller.state().sold.len(), 2);
}

#[tokio::test]
async fn pending_tells_its_transaction() {
    let seller = Seller::start().await;
    seller.state().faults.extend([Fault::PendingAs402; 3]);
    let error = payer().buy(&seller.url()).await.unwrap_err();
    assert_eq!(error, Error::Undecided { transaction: Some("0xabcd".into()) });
}

#[tokio::test]
async fn dropping_a_purchase_loses_no_payment() {
    let seller = Seller::start().await;
    let payer = payer();
    seller.state().faults.push_back(Fault::LoseAnswer);
    let url = seller.url();
    tokio::select! {
        biased;
        () = async { while seller.state().paid_requests == 0 { tokio::task::yield_now().await } } => {}
        _ = payer.buy(&url) => panic!("the answer was to be lost"),
    }
    let session = payer.buy(&url).await.unwrap();
    assert_eq!((seller.state().sold.len(), payer.budget().spent()), (1, session.paid));
}

#[tokio::test]
async fn a_refusal_is_final_and_counts_against_the_budget() {
    let seller = Seller::start().await;
    let payer = payer();
    seller.state().faults.extend([Fault::Refuse; 2]);
    for _ in 0..2 {
        let error = payer.buy(&seller.url()).await.unwrap_err();
        assert!(matches!(error, Error::Refused { reason, .. } if reason.ends_with("insufficient_balance")));
    }
    // Two dimes are signed away; only the penny offer fits the rest.
    assert_eq!(payer.buy(&seller.url()).await.unwrap().paid.to_string(), "$0.01");
    assert_eq!(payer.budget().left().to_string(), "$0.04");
}

/// A 402 that says nothing of the payment is not believed while somebody could still settle it.
#[tokio::test]
async fn an_ignored_payment_is_not_replaced_by_another() {
    let seller = Seller::start().await;
    let payer = payer();
    seller.state().faults.push_back(Fault::Ignore);
    assert!(matches!(payer.buy(&seller.url()).await, Err(Error::Status { status: 402, .. })));
    let session = payer.buy(&seller.url()).await.unwrap();
    assert_eq!(payer.budget().spent(), session.paid);
}

/// Only the caller can decide to pay again, and then the old payment can still be collected.
#[tokio::test]
async fn an_undecided_payment_can_be_given_up() {
    let seller = Seller::start().await;
    let payer = payer();
    seller.state().faults.extend([Fault::Pending; 3]);
    payer.buy(&seller.url()).await.unwrap_err();
    let old = payer.give_up(&seller.url()).await.unwrap().unwrap();
    let new = payer.buy(&seller.url()).await.unwrap();
    let collected = payer.collect(&old).await.unwrap();
    assert_ne!(collected.jti, new.jti);
    assert_eq!(payer.budget().spent(), old.amount().checked_add(new.paid).unwrap());
}

#[tokio::test]
async fn the_budget_ends_the_buying() {
    let seller = Seller::start().await;
    seller.state().amounts = vec![100_000];
    let payer = payer();
    payer.buy(&seller.url()).await.unwrap();
    payer.buy(&seller.url()).await.unwrap();
    let error = payer.buy(&seller.url()).await.unwrap_err();
    assert!(matches!(error, Error::Budget { left, .. } if left.to_string() == "$0.05"), "{error}");
    assert_eq!(seller.state().sold.len(), 2);
}

#[tokio::test]
async fn a_seller_cannot_change_the_payee() {
    let seller = Seller::start().await;
    let payer = payer();
    payer.buy(&seller.url()).await.unwrap();
    seller.state().pay_to = "0x036CbD53842c5426634e7929541eC2318f3dCF7e".into();
    let error = payer.buy(&seller.url()).await.unwrap_err();
    assert!(matches!(error, Error::NoOffer(why) if why.contains("first bill")), "{error}");
    assert_eq!(seller.state().sold.len(), 1);
}

#[tokio::test]
async fn purchases_at_once_are_separate_payments_within_the_budget() {
    let seller = Seller::start().await;
    let payer = payer();
    let url = seller.url();
    let bought: Vec<_> = futures_util::future::join_all((0..5).map(|_| payer.buy(&url))).await;
    // $0.10 + $0.10 + 3 x $0.01 of $0.25.
    assert!(bought.iter().all(Result::is_ok));
    assert_eq!(seller.state().sold.len(), 5);
    assert_eq!(payer.budget().left().to_string(), "$0.02");
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut config = support::config();
    config.tries = 1;
    let payer = support::payer_with(config);
    let error = payer.buy(&format!("http://127.0.0.1:{port}/feeds/ticks/session")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    assert_eq!(payer.budget().spent().atomic(), 0);
}
