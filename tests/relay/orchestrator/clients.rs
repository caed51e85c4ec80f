//! Our own client: it comes back by itself, with a fresh token each time.

use super::revoking::revoke;
use super::rig::Stage;
use std::time::Duration;
use tollwire_client::orchestrator::{AutoPay, Config, Error, Event, PersonClient};
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

#[tokio::test]
async fn it_pays_from_an_account_within_what_is_allowed_until_its_key_is_revoked() {
    let stage = Stage::set().await;
    let ada = stage.person("ada").await;
    let (token, deposit) = ada.deposit(&stage.broker, 1_000_000).await;
    let bob = stage.person("bob").await;
    let mut person = PersonClient::open(Config::new(stage.broker.url(""), bob.key())).await.unwrap();
    assert_eq!(person.balance().await.unwrap(), None);
    assert!(matches!(person.pay_from("x").await.unwrap_err(), Error::Refused(why) if why.contains("400")));
    let dollars = |text: &str| text.parse().unwrap();
    assert_eq!(person.pay_from(&token).await.unwrap(), Some(dollars("1")));
    let (auto, _) = person.auto_pay().await.unwrap();
    assert_eq!((auto.enabled, auto.per_job, auto.per_day), (false, dollars("10"), dollars("50")));
    let auto = AutoPay { enabled: true, per_job: dollars("0.05"), per_day: dollars("0.050001") };
    person.set_auto_pay(auto).await.unwrap();
    person.say("Summarize this article: https://example.com/article").await.unwrap();
    let paid = |event: &Event| match event {
        Event::Paid { amount, transaction, source } => Some((*amount, transaction.clone(), source.clone())),
        _ => None,
    };
    let paid = awaited(&mut person, paid).await;
    assert_eq!(paid, (dollars("0.05"), deposit, Some("balance".into())));
    let said = |event: &Event| matches!(event, Event::Said { .. }).then_some(());
    awaited(&mut person, said).await;
    assert_eq!(person.auto_pay().await.unwrap(), (auto, dollars("0.05")));
    assert_eq!(person.balance().await.unwrap(), Some(dollars("0.95")));
    revoke(&stage.broker, "bob").await;
    let failed = |event: &Event| match event {
        Event::Failed { error_type, .. } => Some(error_type.clone()),
        _ => None,
    };
    assert_eq!(awaited(&mut person, failed).await, "auth_failed");
    let ended = |event: &Event| if let Event::Ended { code } = event { Some(*code) } else { None };
    assert_eq!(awaited(&mut person, ended).await, 4001);
}
