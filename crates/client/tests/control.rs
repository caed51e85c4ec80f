//! `?control=v1`: notices that are paid within the stream, and those that are not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::time::Duration;
use support::{Fault, Line, Seller, config, payer, payer_with};
use tollwire_client::{Error, Event, Message, PayOn, Payer, StreamClient};

/// The names of the events of a stream until it is exhausted or closed; messages by their text.
async fn story(stream: &mut StreamClient) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let event = stream.next().await.unwrap().unwrap();
        let last = matches!(event, Event::Exhausted { .. } | Event::Closed(_));
        told.push(match event {
            Event::Message(Message::Text(text)) if text.starts_with('{') => "lookalike".into(),
            Event::Message(Message::Text(text)) => text,
            Event::Low { units } => format!("low {}", units.unwrap_or_default()),
            Event::ToppedUp { paid, units } => format!("topped up {paid} {units}"),
            Event::Unpaid { why } => format!("unpaid {why}"),
            Event::Receipt(receipt) => format!("receipt {}", receipt.claims().used),
            Event::Opened { units, .. } => format!("opened {units}"),
            other => format!("{other:?}").split([' ', '(']).next().unwrap().to_owned(),
        });
        if last {
            return told;
        }
    }
}

async fn played(payer: &Payer, seller: &Seller, lines: &[Line]) -> Vec<String> {
    seller.state().lines = lines.to_vec();
    let mut stream = StreamClient::open(payer.clone(), &seller.url()).await.unwrap();
    story(&mut stream).await
}

#[tokio::test]
async fn a_signed_notice_is_paid_within_the_stream() {
    let seller = Seller::start().await;
    let payer = payer();
    let lines = [Line::Tick, Line::Low("n1"), Line::Tick, Line::Paid("n1"), Line::Tick, Line::Receipt];
    seller.state().lines = lines.to_vec();
    let mut stream = StreamClient::open(payer.clone(), &seller.url()).await.unwrap();
    let told = story(&mut stream).await;
    let expected = [
        "opened 10",
        "tick",
        "low 2",
        "tick",
        "topped up $0.10 19",
        "receipt 3",
        "tick",
        "receipt 3",
        "Exhausted",
    ];
    assert_eq!(told, expected);
    assert_eq!((stream.receipts().count(), stream.spent().to_string()), (2, "$0.20".into()));
    let state = seller.state();
    assert_eq!((state.sold.len(), state.top_up_requests, state.keys_fetched), (2, 0, 1));
    assert_eq!(payer.budget().spent().to_string(), "$0.20");
}

/// An upstream may say what it likes: it is delivered, and never paid.
#[tokio::test]
async fn what_is_not_the_facilitators_is_the_feeds() {
    let seller = Seller::start().await;
    let payer = payer();
    let lines = [Line::Forged("n1"), Line::OfAnother("n1"), Line::Stale("n1"), Line::Tick];
    let told = played(&payer, &seller, &lines).await;
    assert_eq!(told, ["opened 10", "lookalike", "lookalike", "lookalike", "tick", "Exhausted"]);
    assert_eq!((seller.state().sold.len(), payer.budget().spent().to_string()), (1, "$0.10".into()));
    // An unknown key is looked for once a minute at most, however often it is named.
    assert_eq!(seller.state().keys_fetched, 1);
}

#[tokio::test]
async fn a_notice_is_answered_once() {
    let seller = Seller::start().await;
    let lines = [Line::Low("n1"), Line::Low("n1"), Line::Paid("n1"), Line::Low("n1"), Line::Tick];
    let told = played(&payer(), &seller, &lines).await;
    assert_eq!(told, ["opened 10", "low 2", "topped up $0.10 19", "receipt 3", "tick", "Exhausted"]);
    assert_eq!(seller.state().sold.len(), 2);
}

/// Other payees, dearer units and empty budgets: told, not paid, and the frames keep coming.
#[tokio::test]
async fn terms_are_those_of_the_first_bill() {
    for (change, why) in [("payee", "first bill"), ("price", "dearer"), ("budget", "over budget")] {
        let seller = Seller::start().await;
        let payer = payer();
        seller.state().lines = vec![Line::Quiet(50), Line::Low("n1"), Line::Tick];
        let mut stream = StreamClient::open(payer.clone(), &seller.url()).await.unwrap();
        {
            let mut state = seller.state();
            match change {
                "payee" => state.pay_to = "0x036CbD53842c5426634e7929541eC2318f3dCF7e".into(),
                "price" => state.price = 10_001,
                _ => state.amounts = vec![10_000_000],
            }
        }
        let told = story(&mut stream).await;
        assert!(told[2].starts_with("unpaid") && told[2].contains(why), "{change}: {told:?}");
        assert_eq!(told[3..], ["tick", "Exhausted"], "{change}");
        assert_eq!((seller.state().sold.len(), payer.budget().spent().to_string()), (1, "$0.10".into()));
    }
}

/// The answer does not come, or the line is cut: the same payment is asked about over HTTP.
#[tokio::test]
async fn a_lost_answer_is_collected_never_paid_again() {
    for lines in [
        vec![Line::Low("n1"), Line::PaidUnanswered("n1"), Line::Tick, Line::Quiet(600), Line::Tick],
        vec![Line::Low("n1"), Line::PaidAndCut("n1")],
        vec![Line::Low("n1"), Line::PaidUnanswered("n1")],
    ] {
        let seller = Seller::start().await;
        seller.state().top_up = true;
        let mut config = config();
        config.answer_wait = Duration::from_millis(200);
        config.reconnects_max = 1;
        let payer = payer_with(config);
        let told = played(&payer, &seller, &lines).await;
        assert!(told.iter().any(|told| told.starts_with("topped up")) || lines.len() == 2, "{told:?}");
        assert_eq!(seller.state().sold.len(), 2, "{lines:?}");
        assert_eq!(payer.budget().spent().to_string(), "$0.20");
    }
}

#[tokio::test]
async fn a_refusal_within_the_stream_is_final() {
    let seller = Seller::start().await;
    let payer = payer();
    let session = payer.buy(&seller.url()).await.unwrap();
    {
        let mut state = seller.state();
        state.top_up = true;
        state.faults.push_back(Fault::Refuse);
        state.lines = vec![Line::Low("n1"), Line::Refused("n1"), Line::Tick, Line::Quiet(300), Line::Tick];
    }
    let mut stream = StreamClient::resume(payer.clone(), &seller.url(), session).await.unwrap();
    let told = story(&mut stream).await;
    assert!(told.iter().any(|told| told.starts_with("unpaid payment refused")), "{told:?}");
    assert_eq!(told.iter().filter(|told| *told == "tick").count(), 2);
    assert_eq!(seller.state().sold.len(), 1);
}

#[tokio::test]
async fn an_exhausted_session_is_topped_up_over_http() {
    let seller = Seller::start().await;
    {
        let mut state = seller.state();
        (state.top_up, state.amounts) = (true, vec![10_000]);
    }
    let payer = payer();
    let mut stream = StreamClient::open(payer.clone(), &seller.url()).await.unwrap();
    let jti = stream.session().jti.clone();
    assert_eq!(story(&mut stream).await, ["opened 1", "tick 0", "tick 1", "Exhausted"]);
    assert!(matches!(stream.next().await.unwrap(), Some(Event::ToppedUp { units: 1, .. })));
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Renewed { paid }) if paid.atomic() == 0));
    assert_eq!(stream.next().await.unwrap(), Some(Event::Message(Message::Text("tick 0".into()))));
    assert_eq!((stream.session().jti.clone(), stream.spent().to_string()), (jti, "$0.02".into()));
    assert_eq!(payer.budget().spent().to_string(), "$0.02");
}

#[tokio::test]
async fn a_stream_that_must_not_pay_ends() {
    let seller = Seller::start().await;
    let mut config = config();
    config.pay_on = PayOn::Never;
    let payer = payer_with(config);
    seller.state().lines = vec![Line::Low("n1"), Line::Tick];
    let mut stream = StreamClient::open(payer.clone(), &seller.url()).await.unwrap();
    assert_eq!(story(&mut stream).await, ["opened 10", "low 2", "tick", "Exhausted"]);
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Closed(closed)) if closed.code == 4008));
    assert_eq!(stream.next().await.unwrap(), None);
    assert_eq!(seller.state().sold.len(), 1);
}

/// Two streams of one session run low at once: the session is topped up once.
#[tokio::test]
async fn streams_of_one_session_do_not_pay_twice() {
    let seller = Seller::start().await;
    let payer = payer();
    let session = payer.buy(&seller.url()).await.unwrap();
    seller.state().lines = vec![Line::Low("n1"), Line::Paid("n1"), Line::Tick];
    let mut first = StreamClient::resume(payer.clone(), &seller.url(), session.clone()).await.unwrap();
    while !matches!(first.next().await.unwrap(), Some(Event::ToppedUp { .. })) {}
    seller.state().lines = vec![Line::Low("n2"), Line::Tick];
    let mut second = StreamClient::resume(payer.clone(), &seller.url(), session).await.unwrap();
    let told = story(&mut second).await;
    assert_eq!(told[1..], ["low 2", "tick", "Exhausted"], "the notice is as old as the top-up");
    assert_eq!(seller.state().sold.len(), 2);
}

#[tokio::test]
async fn a_feed_cannot_be_sent_what_would_not_reach_it() {
    let seller = Seller::start().await;
    seller.state().close = 0;
    let mut stream = StreamClient::open(payer(), &seller.url()).await.unwrap();
    let message = Message::Text(r#"{"type":"x402/payment"}"#.into());
    assert!(matches!(stream.send(message).await, Err(Error::Protocol(_))));
}
