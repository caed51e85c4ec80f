//! Tokens, allowlists, the admin API, the configuration file.

use super::rig::{Bridge, id};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollwire_tests::broker::{Broker, run};
use tollwire_tests::http;
use tollwire_tests::ws::{Refused, open};

async fn refused(bridge: &Bridge, door: &str, headers: &[(&str, &str)], query: &str) -> Refused {
    let url = format!("{}{query}", bridge.broker.bridge_url(door));
    open(&url, headers).await.err().unwrap()
}

#[tokio::test]
async fn only_a_good_token_of_the_right_kind_opens_a_door() {
    let bridge = Bridge::start().await;
    let (_, app) = bridge.app("portal").await;
    let (_, agent) = bridge.agent("athena_k9p2m3").await;
    assert!(app.starts_with("rlk_portal_") && agent.starts_with("rla_athena_k9p2m3_"));
    assert!(app.rsplit('_').next().unwrap().len() >= 40);
    let forged = format!("rlk_portal_{}", "0".repeat(64));
    for (door, token) in
        [("app", agent.as_str()), ("agent", &app), ("app", &forged), ("app", "x"), ("app", "")]
    {
        let bearer = format!("Bearer {token}");
        let answer = refused(&bridge, door, &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 401, "{door} {token}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["code"], "UNAUTHORIZED", "{body}");
        assert!(body["error"].is_string());
        let answer = refused(&bridge, door, &[], &format!("?token={token}")).await;
        assert_eq!(answer.status, 401, "{door} {token}");
    }
    assert_eq!(refused(&bridge, "app", &[], "").await.status, 401);
    let url = format!("{}?token={agent}", bridge.broker.bridge_url("agent"));
    assert!(open(&url, &[]).await.is_ok(), "as the public plugin does");
    assert_eq!(
        refused(&bridge, "app", &[("origin", "https://evil.example")], &format!("?token={app}")).await.status,
        403
    );
    let output = bridge.broker.output();
    assert!(output.contains("listening on"), "it does say something: {output}");
    for secret in [&app, &agent, &forged] {
        assert!(!output.contains(secret.rsplit('_').next().unwrap()), "a token was logged");
    }
}

#[tokio::test]
async fn a_rotated_token_overlaps_and_a_revoked_one_ends_at_once() {
    let bridge = Bridge::limited("token_overlap = \"2s\"").await;
    let (mut old, first) = bridge.app("portal").await;
    let answer = bridge.admin("POST", "apps/portal/rotate", &Value::Null).await;
    let second = answer.json()["token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(answer.json()["tokens"].as_array().unwrap().len(), 2);
    let mut new = bridge.connect("app", &second).await;
    bridge.connect("app", &first).await;
    assert_eq!(old.ended().await, 4001, "once the overlap is over");
    let bearer = format!("Bearer {first}");
    assert_eq!(refused(&bridge, "app", &[("authorization", &bearer)], "").await.status, 401);

    let begun = Instant::now();
    assert_eq!(bridge.admin("POST", "apps/portal/revoke", &Value::Null).await.status, 200);
    assert_eq!(new.ended().await, 4001);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let (mut agent, _) = bridge.agent("athena").await;
    assert_eq!(bridge.admin("DELETE", "agents/athena", &Value::Null).await.status, 200);
    assert_eq!(agent.ended().await, 4001);
    let listed = bridge.admin("GET", "agents", &Value::Null).await.json();
    assert_eq!(listed, json!({ "agents": [] }));
}

#[tokio::test]
async fn an_allowlist_is_obeyed_at_once_and_what_was_accepted_runs_on() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t", "1").await;
    let change = bridge.admin("PATCH", "agents/athena", &json!({ "allow": ["studio"] })).await;
    assert_eq!((change.status.as_u16(), &change.json()["allow"]), (200, &json!(["studio"])));
    portal.event("athena", "t", "2").await;
    portal.error("NOT_ALLOWED").await;
    assert_eq!(id(&athena.heard("event").await), event);
    athena.reply(&event, "done").await;
    portal.heard("reply").await;
    bridge.admin("PATCH", "agents/athena", &json!({ "allow": [] })).await;
    portal.accepted("athena", "t", "3").await;
}

#[tokio::test]
async fn registrations_survive_a_kill_and_the_admin_api_is_the_operator_s() {
    let mut bridge = Bridge::start().await;
    let (_, token) = bridge.app("portal").await;
    assert_eq!(bridge.admin("POST", "apps", &json!({ "id": "portal" })).await.status, 409);
    for bad in [json!({}), json!({ "id": "Not A Slug" }), json!({ "id": "x", "nonsense": 1 })] {
        assert_eq!(bridge.admin("POST", "apps", &bad).await.status, 400, "{bad}");
    }
    assert_eq!(bridge.admin("GET", "apps/nobody", &Value::Null).await.status, 404);
    assert_eq!(bridge.admin("PUT", "apps/portal", &json!({})).await.status, 405);
    let url = bridge.broker.admin_url("/admin/apps");
    assert_eq!(http::get(&url, &[]).await.status, 401);
    assert_eq!(http::get(&url, &[("authorization", "Bearer wrong")]).await.status, 401);
    bridge.broker.crash_and_restart().await;
    bridge.connect("app", &token).await;
    let view = bridge.admin("GET", "apps/portal", &Value::Null).await.text();
    assert!(!view.contains(token.rsplit('_').next().unwrap()) && !view.contains("hmac"), "{view}");
}

#[tokio::test]
async fn the_audit_log_tells_what_happened_and_nothing_of_what_was_said() {
    let bridge = Bridge::start().await;
    let (mut athena, _) = bridge.agent("athena").await;
    let (mut portal, _) = bridge.app("portal").await;
    let event = portal.accepted("athena", "t:1", "\"the secret question\"").await;
    athena.heard("event").await;
    athena.token(&event, "the secret").await;
    athena.reply(&event, "the secret answer").await;
    loop {
        if portal.frame().await["type"] == "reply" {
            break;
        }
    }
    assert!(portal.is_silent(Duration::from_millis(300)).await, "its pong leaves");
    let entries = bridge.audited("received", 1).await;
    assert!(!format!("{entries:?}").contains("secret"), "{entries:?}");
    let of =
        |what: &str| entries.iter().find(|entry| entry["what"] == what).unwrap_or_else(|| panic!("{what}"));
    let accepted = of("accepted");
    assert_eq!(accepted["bytes"], "\"the secret question\"".len());
    assert_eq!((&accepted["event_id"], &accepted["thread_id"]), (&json!(event), &json!("t:1")));
    assert_eq!(accepted["sha256"].as_str().unwrap().len(), 64);
    let replied = of("replied");
    assert_eq!((&replied["status"], &replied["app_id"]), (&json!("delivered"), &json!("portal")));
    assert!(replied["latency_ms"].is_u64());
    of("registration");
    let numbers: Vec<u64> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    let after = bridge.admin("GET", &format!("audit?after={}", numbers[1]), &Value::Null).await.text();
    assert_eq!(after.lines().count(), numbers.len() - 2);
}

#[tokio::test]
async fn conversations_are_remembered_for_a_while() {
    let bridge = Bridge::limited("session_ttl = \"2s\"").await;
    bridge.add("agents", &json!({ "id": "athena" })).await;
    let (mut portal, _) = bridge.app("portal").await;
    for thread in ["t:1", "t:1", "t:2"] {
        portal.accepted("athena", thread, "1").await;
    }
    let sessions = async || bridge.admin("GET", "sessions", &Value::Null).await.json()["sessions"].clone();
    let listing = async {
        while sessions().await.as_array().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), listing).await.expect("not remembered");
    let first = &sessions().await[0];
    assert_eq!(
        (&first["thread_id"], &first["events"], &first["agent_id"]),
        (&json!("t:1"), &json!(2), &json!("athena"))
    );
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(sessions().await, json!([]));
}

#[tokio::test]
async fn a_file_can_hold_them_too_and_sighup_takes_other_ones() {
    let bridge = Bridge::start().await;
    let folder = bridge.broker.folder();
    let arguments = ["app", "add", "filed", "--config", "broker.toml", "--print"];
    let (status, told, problem) = run(&arguments, folder).await;
    assert!(status.success(), "{problem}");
    let word = |start: &str| {
        told.split_whitespace().find(|word| word.starts_with(start)).unwrap().trim_matches('"').to_owned()
    };
    let (token, hash) = (word("rlk_filed_"), word("\"hmac-sha256:"));
    let mut settings = Bridge::settings("store = \"file:./broker.db\"", "");
    settings.apis = format!("[[app]]\nid = \"filed\"\ntoken_hash = \"{hash}\"\n");
    bridge.broker.reconfigure(&settings);
    bridge.broker.signal("HUP").await;
    let bearer = format!("Bearer {token}");
    let opening = async {
        while open(&bridge.broker.bridge_url("app"), &[("authorization", &bearer)]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), opening).await.expect("not reloaded");
    assert_eq!(bridge.admin("POST", "apps/filed/rotate", &Value::Null).await.status, 409, "change the file");
    assert_eq!(bridge.admin("GET", "apps/filed", &Value::Null).await.json()["in_file"], true);
}

#[tokio::test]
async fn the_command_line_does_what_the_admin_api_does() {
    let bridge = Bridge::start().await;
    let command = |arguments: &'static [&'static str]| {
        let folder = bridge.broker.folder().to_owned();
        async move { run(&[arguments, &["--config", "broker.toml"]].concat(), &folder).await }
    };
    let (status, told, problem) =
        command(&["agent", "add", "athena", "--name", "Athena", "--allow", "portal"]).await;
    assert!(status.success(), "{problem}");
    let token = told.split_whitespace().find(|word| word.starts_with("rla_athena_")).unwrap().to_owned();
    let mut agent = bridge.connect("agent", &token).await;
    let (_, told, _) = command(&["agent", "list"]).await;
    assert!(told.contains("athena") && !told.contains(&token), "{told}");
    let (status, told, _) = command(&["agent", "rotate", "athena"]).await;
    assert!(status.success() && told.contains("rla_athena_"), "{told}");
    let (status, _, problem) = command(&["agent", "add", "athena"]).await;
    assert!(!status.success() && problem.contains("already"), "{problem}");
    let (status, _, _) = command(&["agent", "revoke", "athena"]).await;
    assert!(status.success());
    assert_eq!(agent.ended().await, 4001);
}

#[tokio::test]
async fn without_a_key_there_is_no_bridge() {
    let broker = Broker::start(&tollwire_tests::broker::BrokerSettings::default()).await;
    assert_eq!(open(&broker.bridge_url("app"), &[]).await.err().unwrap().status, 404);
    assert_eq!(http::get(&broker.admin_url("/admin/apps"), &[]).await.status, 404);
}

#[tokio::test]
async fn queues_and_the_newest_of_the_audit_log_are_told() {
    let bridge = Bridge::start().await;
    let (mut app, _) = bridge.app("portal").await;
    bridge.add("agents", &json!({ "id": "athena" })).await;
    for number in 0..70 {
        app.accepted("athena", &format!("t{number}"), "{\"n\":1}").await;
    }
    let queues = bridge.admin("GET", "queues", &Value::Null).await.json();
    assert_eq!(
        (&queues["agents"]["athena"]["count"], &queues["apps"]["portal"]["count"]),
        (&json!(70), &json!(0))
    );
    assert!(queues["agents"]["athena"]["bytes"].as_u64().unwrap() > 70, "{queues}");
    let all = bridge.audited("accepted", 70).await;
    let lines = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for count in [1, 65, all.len(), 500] {
        let newest = lines(bridge.admin("GET", &format!("audit?newest={count}"), &Value::Null).await.text());
        assert_eq!(newest, all[all.len().saturating_sub(count)..], "{count}");
    }
    for bad in ["newest=0", "newest=501", "newest=x", "newest=5&after=1"] {
        assert_eq!(bridge.admin("GET", &format!("audit?{bad}"), &Value::Null).await.status, 400, "{bad}");
    }
    assert_eq!(bridge.admin("POST", "queues", &Value::Null).await.status, 405);
}
