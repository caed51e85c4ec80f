//! Two agents of two organisations negotiate in a session (ASP), each over its own connection:
//!
//! ```text
//! relay-broker dev
//! BUYER_SECRET=... SELLER_SECRET=... cargo run --example negotiate -- http://127.0.0.1:4030 oac_acme oac_cloud
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use serde_json::{Value, json};
use std::error::Error;
use tollwire_asp::{Performative, SessionId, State};
use tollwire_client::asp::{Account, Config, Event, SessionClient};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "negotiate BROKER_URL BUYER_CLIENT_ID SELLER_CLIENT_ID [SELLER_AGENT]";
    let (url, buyer, seller) =
        (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let partner = arguments.next().unwrap_or_else(|| "agent://cloud.example/gpu/beta".to_owned());
    let buyer = Account::new(Config::new(url.as_str(), buyer, std::env::var("BUYER_SECRET")?)?)?;
    let seller = Account::new(Config::new(url.as_str(), seller, std::env::var("SELLER_SECRET")?)?)?;

    let session = buyer.begin(&[partner.parse()?]).await?;
    println!("{session}");
    tokio::try_join!(buy(&buyer, &session), sell(&seller, &session))?;
    println!("{}", buyer.transcript(&session).await?);
    Ok(())
}

/// Invites, proposes, binds itself to the first counter-offer, closes.
async fn buy(account: &Account, id: &SessionId) -> Outcome<()> {
    let mut session = SessionClient::connect(account, id, 0)?;
    let body = json!({"proposalId": "inv", "type": "session-invitation", "subject": "GPUs", "terms": {}});
    session.say(Performative::Propose, &body).await?;
    while let Some(event) = session.next().await {
        show("buyer", &event);
        let answer = match event {
            Event::State { state: State::Introduced, .. } => (
                Performative::Propose,
                json!({"proposalId": "p", "type": "terms", "subject": "4 x A100", "terms": {"pricePerHour": "3.50"}}),
            ),
            Event::Message(message) if message.performative == Performative::Counter => {
                (Performative::Commit, commitment(message.body()))
            }
            Event::State { state: State::Executing, .. } => (Performative::Close, json!({})),
            Event::Refused { message, .. } => return Err(message.into()),
            _ => continue,
        };
        session.say(answer.0, &answer.1).await?;
    }
    Ok(())
}

/// Accepts the invitation, asks for more, binds itself, too.
async fn sell(account: &Account, id: &SessionId) -> Outcome<()> {
    let mut session = SessionClient::connect(account, id, 0)?;
    while let Some(event) = session.next().await {
        show("seller", &event);
        let Event::Message(message) = event else { continue };
        let answer = match message.performative {
            Performative::Propose if message.body()["type"] == "session-invitation" => {
                (Performative::Accept, json!({"referenceId": "inv"}))
            }
            Performative::Propose => (
                Performative::Counter,
                json!({"referenceId": "p", "counterProposalId": "c", "subject": "4 x A100", "terms": {"pricePerHour": "4.00"}}),
            ),
            Performative::Commit => (Performative::Accept, json!({"commitmentId": "k"})),
            _ => continue,
        };
        session.say(answer.0, &answer.1).await?;
    }
    Ok(())
}

fn commitment(counter: &Value) -> Value {
    json!({
        "commitmentId": "k", "terms": {"obligations": [counter["terms"]], "penalties": {}},
        "deadline": "2099-01-01T00:00:00Z",
        "escrow": {"amount": "4", "currency": "USDC", "releaseCondition": "delivery"}
    })
}

fn show(who: &str, event: &Event) {
    match event {
        Event::Message(message) => println!("{who} hears {}: {}", message.performative, message.body()),
        Event::State { state, .. } => println!("{who} sees {state}"),
        Event::Ended { code, .. } => println!("{who} is closed with {code}"),
        _ => {}
    }
}
