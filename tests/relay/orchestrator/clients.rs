//! Our own client: it comes back by itself, with a fresh token each time.

use super::rig::Stage;
use std::time::Duration;
use tollwire_client::orchestrator::{Config, Error, Event, PersonClient};
use tollwire_tests::agent::Agent;

async fn next(person: &mut PersonClient) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(30), person.next()).await.expect("no event in time");
    event.expect("the client has ended")
}

/// The next event that is of this kind; connections in between are as they come.
async fn awaited<T>(person: &mut PersonClient, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = next(person).await;
        match (wanted(&event), event) {
            (Some(found), _) => return found,
            (None, Event::Connected) => {}
            (None, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn it_pays_and_comes_back_by_itself() {
    let mut stage = Stage::with("token_ttl = \"2s\"").await;
    let ada = stage.person("ada").await;
    let mut person = PersonClient::open(Config::new(stage.broker.url(""), ada.key())).await.unwrap();
    person.say("Summarize this article: https://example.com/article").await.unwrap();
    let asked = |event: &Event| match event {
        Event::Asked { amount, payment_id, payment_required, .. } => {
            Some((*amount, payment_id.clone(), payment_required.clone()))
        }
        _ => None,
    };
    let first = awaited(&mut person, asked).await;
    assert_eq!(first.0.to_string(), "$0.05");
    // Its token has ended by then: it gets another.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    stage.broker.crash_and_restart().await;
    let again = awaited(&mut person, asked).await;
    assert_eq!(first.1, again.1, "the same request");
    let bill: serde_json::Value = serde_json::from_str(again.2.unwrap().get()).unwrap();
    let offer = bill["accepts"][0].clone();
    let payment = Agent::new().pay_v2(&bill, &offer, &Agent::terms(&offer)).message;
    let payment = serde_json::value::to_raw_value(&payment).unwrap();
    person.approve(Some(&payment)).await.unwrap();
    let paid = |event: &Event| match event {
        Event::Paid { transaction, source: None, .. } => Some(transaction.clone()),
        _ => None,
    };
    assert!(awaited(&mut person, paid).await.starts_with("0x"));
    let said = |event: &Event| match event {
        Event::Said { content, .. } => Some(content.clone()),
        _ => None,
    };
    assert_eq!(awaited(&mut person, said).await, "summarize: done");
    person.close().await.unwrap();
    let closed = |event: &Event| matches!(event, Event::Closed { .. }).then_some(());
    awaited(&mut person, closed).await;
    let ended = |event: &Event| if let Event::Ended { code } = event { Some(*code) } else { None };
    assert_eq!(awaited(&mut person, ended).await, 1000);
}

#[tokio::test]
async fn it_stays_away_where_it_is_not_wanted() {
    let stage = Stage::set().await;
    let refused = PersonClient::open(Config::new(stage.broker.url(""), "rlp_ada_x")).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(why) if why.contains("401")));
    let ada = stage.person("ada").await;
    let mut config = Config::new(stage.broker.url(""), ada.key());
    config.session = Some("3fa85f64-5717-4562-b3fc-2c963f66afa6".into());
    let mut person = PersonClient::open(config).await.unwrap();
    assert!(matches!(next(&mut person).await, Event::Ended { code: 4004 }));
}
