//! Our own clients: they come back after whatever happens, and lose nothing that was handed to them.

use super::rig::Bridge;
use serde_json::json;
use std::time::Duration;
use tollwire_client::bridge::{AgentClient, AgentEvent, AppClient, AppEvent, Backoff, Config, Error};

const PATIENCE: Duration = Duration::from_secs(30);

fn config(bridge: &Bridge, door: &str, token: String) -> Config {
    let mut config = Config::new(bridge.broker.bridge_url(door), token);
    config.backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(400));
    config
}

async fn heard(app: &mut AppClient) -> AppEvent {
    tokio::time::timeout(PATIENCE, app.next()).await.expect("nothing came").expect("it has ended")
}

async fn given(agent: &mut AgentClient) -> AgentEvent {
    tokio::time::timeout(PATIENCE, agent.next()).await.expect("nothing came").expect("it has ended")
}

#[tokio::test]
async fn an_app_and_an_agent_outlive_kills_of_the_broker() {
    let mut bridge = Bridge::start().await;
    let app = bridge.add("apps", &json!({ "id": "portal" })).await;
    let agent = bridge.add("agents", &json!({ "id": "athena" })).await;
    let mut app = AppClient::connect(config(&bridge, "app", app)).unwrap();
    let mut agent = AgentClient::connect(config(&bridge, "agent", agent)).unwrap();
    let asking = async {
        let (mut open, mut answers) = (0_usize, Vec::new());
        for number in 0..30_u32 {
            app.send("athena", "t", &format!("[{number}]")).await.unwrap();
            open += 1;
        }
        while open > 0 {
            if let AppEvent::Reply { content, payload, .. } = heard(&mut app).await {
                answers.push(format!("{content} {}", payload.unwrap()));
                open -= 1;
            }
        }
        answers
    };
    let answering = async {
        loop {
            if let AgentEvent::Event { event, payload, .. } = given(&mut agent).await {
                agent.token(&event, "so ").await.unwrap();
                tokio::time::sleep(Duration::from_millis(40)).await;
                agent.reply(&event, payload.get()).await.unwrap();
            }
        }
    };
    let killing = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            bridge.broker.crash_and_restart().await;
        }
        std::future::pending::<()>().await;
    };
    let mut answers = tokio::select! {
        answers = asking => answers,
        () = answering => unreachable!(),
        () = killing => unreachable!(),
    };
    answers.sort();
    let mut expected: Vec<String> = (0..30).map(|number| format!("\"[{number}]\" [{number}]")).collect();
    expected.sort();
    assert_eq!(answers, expected, "each once");
}

#[tokio::test]
async fn who_is_told_to_stay_away_does() {
    let bridge = Bridge::start().await;
    let token = bridge.add("agents", &json!({ "id": "athena" })).await;
    let mut first = AgentClient::connect(config(&bridge, "agent", token.clone())).unwrap();
    assert!(matches!(given(&mut first).await, AgentEvent::Connected));
    let mut second = AgentClient::connect(config(&bridge, "agent", token)).unwrap();
    assert!(matches!(given(&mut second).await, AgentEvent::Connected));
    assert!(matches!(given(&mut first).await, AgentEvent::Ended { code: 4009 }));
    assert!(first.next().await.is_none());
    bridge.admin("POST", "agents/athena/revoke", &json!(null)).await;
    assert!(matches!(given(&mut second).await, AgentEvent::Ended { code: 4001 }));
    let mut wrong = AppClient::connect(config(&bridge, "app", "rlk_nobody_x".into())).unwrap();
    assert!(matches!(heard(&mut wrong).await, AppEvent::Ended { code: 4001 }));
    assert_eq!(wrong.send("athena", "t", "1").await, Err(Error::Ended));
    assert!(matches!(
        AppClient::connect(Config::new("ws://broker.example/v1/ws/app", "x")),
        Err(Error::Url(_))
    ));
}
