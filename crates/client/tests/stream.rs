//! Streams that run dry, are refused, get lost, and go on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use support::{EXHAUSTED, Seller, Upgrade, config, payer, payer_with};
use tollwire_client::{Error, Event, Message, Payer, StreamClient};

/// Opens a stream; the first event says so.
async fn open(payer: Payer, url: &str) -> StreamClient {
    let mut stream = StreamClient::open(payer, url).await.unwrap();
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Opened { .. })));
    stream
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(text.into()))
}

#[tokio::test]
async fn a_stream_that_runs_dry_is_paid_for_again() {
    let seller = Seller::start().await;
    seller.state().amounts = vec![10_000];
    let payer = payer();
    let mut stream = open(payer.clone(), &seller.url()).await;
    let first = stream.session().jti.clone();
    for _ in 0..2 {
        assert_eq!(stream.next().await.unwrap(), Some(text("tick 0")));
        assert_eq!(stream.next().await.unwrap(), Some(text("tick 1")));
        assert_eq!(stream.next().await.unwrap(), Some(Event::Exhausted { reason: EXHAUSTED.into() }));
        let paid = "0.01".parse().unwrap();
        assert_eq!(stream.next().await.unwrap(), Some(Event::Renewed { paid }));
    }
    assert_ne!(stream.session().jti, first);
    assert_eq!(seller.state().sold.len(), 3);
    assert_eq!(payer.budget().spent().to_string(), "$0.03");
}

/// Both ways a server has to say at an upgrade that a session is empty.
#[tokio::test]
async fn an_empty_session_is_paid_for_again_whether_refused_or_closed() {
    for close_exhausted in [false, true] {
        let seller = Seller::start().await;
        let payer = payer();
        let session = payer.buy(&seller.url()).await.unwrap();
        seller.state().units.insert(session.jti.to_string(), 0);
        seller.state().close_exhausted = close_exhausted;
        let mut stream = StreamClient::resume(payer, &seller.url(), session).await.unwrap();
        assert!(matches!(stream.next().await.unwrap(), Some(Event::Opened { .. })));
        if close_exhausted {
            assert!(matches!(stream.next().await.unwrap(), Some(Event::Exhausted { .. })));
            assert!(matches!(stream.next().await.unwrap(), Some(Event::Renewed { .. })));
        }
        assert_eq!(stream.next().await.unwrap(), Some(text("tick 0")));
        assert_eq!(seller.state().sold.len(), 2);
    }
}

#[tokio::test]
async fn a_lost_101_is_opened_again_without_charge() {
    let seller = Seller::start().await;
    seller.state().upgrades.extend([Upgrade::Lose, Upgrade::Lose]);
    let mut stream = open(payer(), &seller.url()).await;
    assert_eq!(stream.next().await.unwrap(), Some(text("tick 0")));
    let (jti, state) = (stream.session().jti.to_string(), seller.state());
    assert_eq!((state.units[&jti], state.streams.len(), state.sold.len()), (9, 1, 1));
}

#[tokio::test]
async fn what_passes_by_waiting_or_a_fresh_token_is_not_paid_for() {
    for fault in [Upgrade::HeldElsewhere, Upgrade::Busy, Upgrade::Expired] {
        let seller = Seller::start().await;
        seller.state().upgrades.push_back(fault);
        let mut stream = open(payer(), &seller.url()).await;
        assert_eq!(stream.next().await.unwrap(), Some(text("tick 0")));
        assert_eq!(seller.state().sold.len(), 1, "{fault:?}");
        assert_eq!(seller.state().paid_requests, 1 + usize::from(fault == Upgrade::Expired));
    }
}

#[tokio::test]
async fn other_refusals_are_told_apart_and_not_paid_for() {
    let seller = Seller::start().await;
    seller.state().upgrades.push_back(Upgrade::Upstream);
    let error = StreamClient::open(payer(), &seller.url()).await.unwrap_err();
    assert_eq!(error, Error::Status { status: 502, problem: Some("upstream".into()) });
    seller.state().upgrades.extend([Upgrade::Expired; 2]);
    let error = StreamClient::open(payer(), &seller.url()).await.unwrap_err();
    assert_eq!(error, Error::Status { status: 403, problem: Some("token-expired".into()) });
    assert_eq!(seller.state().sold.len(), 2);
}

/// A seller that takes money and serves nothing gets three payments, not the whole budget.
#[tokio::test]
async fn a_seller_that_serves_nothing_is_not_paid_for_ever() {
    let seller = Seller::start().await;
    seller.state().messages = 0;
    seller.state().amounts = vec![10_000];
    let payer = payer();
    let mut stream = open(payer.clone(), &seller.url()).await;
    let error = loop {
        match stream.next().await {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::Unserved(3));
    assert_eq!(payer.budget().spent().to_string(), "$0.03");
}

#[tokio::test]
async fn other_closes_end_the_stream_until_it_is_reopened() {
    let seller = Seller::start().await;
    seller.state().close = 1001;
    let payer = payer();
    let mut stream = open(payer.clone(), &seller.url()).await;
    stream.next().await.unwrap();
    stream.next().await.unwrap();
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Closed(closed)) if closed.code == 1001));
    assert_eq!(stream.closed().map(|closed| (closed.code, closed.reason.as_str())), Some((1001, "bye")));
    assert_eq!(stream.next().await.unwrap(), None);
    assert_eq!(stream.send(Message::Text("x".into())).await, Err(Error::Closed));
    // The session has nine units left: reopening takes one and costs nothing.
    assert_eq!(stream.reconnect().await.unwrap().atomic(), 0);
    assert_eq!(stream.next().await.unwrap(), Some(text("tick 0")));
    assert_eq!(seller.state().sold.len(), 1);
}

#[tokio::test]
async fn messages_go_both_ways_up_to_their_limit() {
    let seller = Seller::start().await;
    {
        let mut state = seller.state();
        (state.close, state.messages) = (0, 0);
    }
    let mut config = config();
    config.message_bytes_max = 100_000;
    let mut stream = open(payer_with(config), &seller.url()).await;
    for message in
        [Message::Text(String::new()), Message::Text("10 €".into()), Message::Binary(vec![7; 100_000].into())]
    {
        stream.send(message.clone()).await.unwrap();
        assert_eq!(stream.next().await.unwrap(), Some(Event::Message(message)));
    }
    let long = Message::Binary(vec![7; 100_001].into());
    assert!(matches!(stream.send(long).await, Err(Error::Protocol(_))));
    stream.close().await.unwrap();
}

/// The other side is there but says nothing: pings keep the stream, and it is not taken for lost.
#[tokio::test]
async fn a_quiet_stream_is_pinged_and_kept() {
    let seller = Seller::start().await;
    {
        let mut state = seller.state();
        (state.close, state.messages) = (0, 0);
    }
    let mut config = config();
    config.ping_every = std::time::Duration::from_millis(20);
    config.silence_max = std::time::Duration::from_millis(400);
    let mut stream = open(payer_with(config), &seller.url()).await;
    let waited = tokio::time::timeout(std::time::Duration::from_millis(1_200), stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    stream.send(Message::Text("still there".into())).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), Some(text("still there")));
}
