//! Going on without paying: what was kept, a payment that was under way, a sign-in, a key-bound token.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::sync::{Arc, Mutex};
use support::{Fault, Seller, Upgrade, config, payer, payer_with};
use tollwire_client::{Error, Event, Message, SavedPayment, SavedSession, Signed, StreamClient};
use tollwire_session::Algorithm;
use tollwire_session::dpop::DpopKey;

#[tokio::test]
async fn a_kept_session_goes_on_in_another_life() {
    let seller = Seller::start().await;
    let session = payer().buy(&seller.url()).await.unwrap();
    let text = serde_json::to_string(&session.to_saved()).unwrap();
    assert!(!text.contains(&"11".repeat(32)), "the wallet's key is not in it");
    assert!(!format!("{:?}", session.to_saved()).contains(session.token()));
    for upgrade in [None, Some(Upgrade::Expired)] {
        seller.state().upgrades.extend(upgrade);
        let payer = payer();
        let saved: SavedSession = serde_json::from_str(&text).unwrap();
        let session = payer.restore(saved).await.unwrap();
        let mut stream = StreamClient::resume(payer.clone(), &seller.url(), session).await.unwrap();
        assert!(
            matches!(stream.next().await.unwrap(), Some(Event::Opened { paid, .. }) if paid.atomic() == 0)
        );
        assert_eq!(stream.next().await.unwrap(), Some(Event::Message(Message::Text("tick 0".into()))));
        assert_eq!(payer.budget().spent().atomic(), 0);
    }
    assert_eq!(seller.state().sold.len(), 1);
}

/// The first bill of the first life binds the second.
#[tokio::test]
async fn a_kept_session_is_topped_up_on_its_first_terms_only() {
    let seller = Seller::start().await;
    seller.state().top_up = true;
    let saved = payer().buy(&seller.url()).await.unwrap().to_saved();
    let payer = payer();
    let mut session = payer.restore(saved).await.unwrap();
    let before = seller.state().pay_to.clone();
    seller.state().pay_to = "0x036CbD53842c5426634e7929541eC2318f3dCF7e".into();
    assert!(matches!(payer.top_up(&mut session).await, Err(Error::NoOffer(_))));
    seller.state().pay_to = before;
    assert_eq!(payer.top_up(&mut session).await.unwrap().units, 20);
}

/// kill -9 between the payment and its answer: the next life collects it.
#[tokio::test]
async fn a_payment_that_was_written_down_is_collected_never_paid_again() {
    let seller = Seller::start().await;
    seller.state().top_up = true;
    let kept: Arc<Mutex<Option<SavedPayment>>> = Arc::default();
    let mut config = config();
    let journal = Arc::clone(&kept);
    config.on_signed = Some(Signed::new(move |payment| {
        *journal.lock().unwrap() = Some(payment.to_saved());
        Ok(())
    }));
    config.tries = 1;
    // A purchase.
    seller.state().faults.push_back(Fault::LoseAnswer);
    payer_with(config.clone()).buy(&seller.url()).await.unwrap_err();
    let saved = kept.lock().unwrap().take().unwrap();
    let text = serde_json::to_string(&saved).unwrap();
    let second = payer();
    second.adopt(&serde_json::from_str(&text).unwrap(), None).await.unwrap();
    let session = second.buy(&seller.url()).await.unwrap();
    assert_eq!((seller.state().sold.len(), second.budget().spent().atomic()), (1, 0));
    // A top-up.
    let first = payer_with(config);
    let mut same = first.restore(session.to_saved()).await.unwrap();
    seller.state().faults.push_back(Fault::LoseAnswer);
    first.top_up(&mut same).await.unwrap_err();
    let saved = kept.lock().unwrap().take().unwrap();
    let third = payer();
    let mut again = third.restore(session.to_saved()).await.unwrap();
    third.adopt(&saved, Some(&again)).await.unwrap();
    assert_eq!(third.top_up(&mut again).await.unwrap().units, 20);
    assert_eq!((seller.state().sold.len(), third.budget().spent().atomic()), (2, 0));
}

#[tokio::test]
async fn a_payment_that_cannot_be_written_down_does_not_leave() {
    let seller = Seller::start().await;
    let mut config = config();
    config.on_signed = Some(Signed::new(|_| Err(std::io::Error::other("disk full"))));
    let error = payer_with(config).buy(&seller.url()).await.unwrap_err();
    assert!(matches!(error, Error::NotKept(_)), "{error}");
    assert_eq!(seller.state().paid_requests, 0);
}

#[tokio::test]
async fn a_wallet_that_has_lost_everything_signs_in() {
    let seller = Seller::start().await;
    let payer = payer();
    assert!(payer.sign_in(&seller.url()).await.unwrap().is_none(), "this seller has no sign-in");
    let bought = payer.buy(&seller.url()).await.unwrap();
    seller.state().signs_in = Some(bought.jti.to_string());
    let again = support::payer().sign_in(&seller.url()).await.unwrap().unwrap();
    assert_eq!((again.jti.clone(), again.paid.atomic()), (bought.jti, 0));
    seller.state().units.insert(again.jti.to_string(), 0);
    assert!(support::payer().sign_in(&seller.url()).await.unwrap().is_none(), "nothing is left");
    assert_eq!(seller.state().sold.len(), 1);
}

/// The payment does not bring a token any more; the wallet itself does.
#[tokio::test]
async fn an_expired_token_is_replaced_by_signing_in() {
    let seller = Seller::start().await;
    let payer = payer();
    let session = payer.buy(&seller.url()).await.unwrap();
    {
        let mut state = seller.state();
        (state.signs_in, state.forgets) = (Some(session.jti.to_string()), true);
        state.upgrades.push_back(Upgrade::Expired);
    }
    let mut stream = StreamClient::resume(payer, &seller.url(), session).await.unwrap();
    stream.next().await.unwrap();
    assert_eq!(stream.next().await.unwrap(), Some(Event::Message(Message::Text("tick 0".into()))));
    assert_eq!(seller.state().sold.len(), 1);
}

/// The seller's side checks every proof: right method, address, token and key, and none twice.
#[tokio::test]
async fn a_bound_session_shows_its_key_at_every_use() {
    let seller = Seller::start().await;
    {
        let mut state = seller.state();
        (state.binds, state.top_up) = (true, true);
        state.faults.push_back(Fault::Pending);
        state.upgrades.push_back(Upgrade::Busy);
    }
    let key = DpopKey::generate(Algorithm::Es256).unwrap();
    let payer = payer_with(config().dpop(key.clone()));
    let session = payer.buy(&seller.url()).await.unwrap();
    assert!(session.is_bound());
    let saved = session.to_saved();
    let mut stream = StreamClient::resume(payer.clone(), &seller.url(), session).await.unwrap();
    while !matches!(stream.next().await.unwrap(), Some(Event::Exhausted { .. })) {}
    let mut session = stream.session().clone();
    payer.top_up(&mut session).await.unwrap();
    assert!(seller.state().proofs.len() >= 6, "{}", seller.state().proofs.len());
    // Without the key the token is of no use, and the client says so before it asks.
    let keyless = support::payer();
    let session = keyless.restore(saved).await.unwrap();
    let error = StreamClient::resume(keyless, &seller.url(), session).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error}");
}
