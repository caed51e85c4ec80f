//! What the operator sees of people: counts, phases and amounts, and no word of what is said.

use super::rig::{CANCEL, COUNT, SUMMARIZE, Stage, admin};
use serde_json::{Value, json};

#[tokio::test]
async fn an_operator_sees_counts_and_phases_and_not_what_is_said() {
    let stage = Stage::set().await;
    let seen = async || {
        let answer = admin(&stage.broker, "GET", "orchestrator", &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for said in ["example.com/article", "Summarize this", "summarize: done", "count the letters"] {
            assert!(!answer.text().contains(said), "{said}");
        }
        answer.json()
    };
    let nobody = seen().await;
    assert_eq!((&nobody["people"], &nobody["sessions"]), (&json!([]), &json!([])));

    let (ada, bob) = (stage.person("ada").await, stage.person("bob").await);
    ada.deposit(&stage.broker, 1_000_000).await;
    ada.auto_pay(&stage.broker, "0.05", "0.12").await;
    let (mut first, first_session) = ada.connect(&stage.broker).await;
    first.say(SUMMARIZE).await;
    first.heard("PAYMENT_SUCCESSFUL").await;
    first.answer().await;
    let (mut second, second_session) = ada.connect(&stage.broker).await;
    second.say(CANCEL).await;
    second.heard("SESSION_CLOSED").await;
    let (mut third, third_session) = bob.connect(&stage.broker).await;
    third.say(SUMMARIZE).await;
    third.heard("PAYMENT_REQUEST").await;
    third.say(COUNT).await;

    let all = loop {
        let all = seen().await;
        if all["people"][1]["sessions"]["waiting_messages"] == 1 {
            break all;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let counts = |open: u64, asked: u64, waiting: u64| json!({ "open": open, "working": 0, "awaiting_payment": asked, "waiting_messages": waiting });
    let (of_ada, of_bob) = (&all["people"][0], &all["people"][1]);
    assert_eq!((&of_ada["id"], &of_ada["sessions"]), (&json!("ada"), &counts(1, 0, 0)), "{all}");
    assert_eq!((&of_bob["id"], &of_bob["sessions"]), (&json!("bob"), &counts(1, 1, 1)), "{all}");
    assert_eq!((&of_ada["account"], &of_ada["spent_today"]), (&json!(true), &json!("50000")));
    assert_eq!(of_ada["auto_pay"], json!({ "enabled": true, "per_job": "50000", "per_day": "120000" }));
    assert_eq!(
        (&all["spent_today"], &all["people_total"], &all["sessions_total"]),
        (&json!("50000"), &json!(2), &json!(3))
    );
    let sessions = all["sessions"].as_array().unwrap();
    let changed: Vec<_> = sessions.iter().map(|one| one["updated_at"].as_str().unwrap()).collect();
    assert!(changed.is_sorted_by(|a, b| a >= b), "those that changed last first: {changed:?}");
    for (session, person, phase) in [
        (&first_session, "ada", "CONNECTED"),
        (&second_session, "ada", "CLOSED"),
        (&third_session, "bob", "AWAITING_PAYMENT"),
    ] {
        let one = sessions.iter().find(|one| one["session_id"] == session.id).unwrap();
        assert_eq!((&one["person"], &one["phase"]), (&json!(person), &json!(phase)), "{all}");
    }
    for (method, path, status) in
        [("POST", "orchestrator", 405), ("GET", "orchestrator/", 404), ("GET", "orchestrator/people", 404)]
    {
        assert_eq!(admin(&stage.broker, method, path, &Value::Null).await.status, status, "{method} {path}");
    }
    let bare = tollwire_tests::http::get(&stage.broker.admin_url("/admin/orchestrator"), &[]).await;
    assert_eq!(bare.status, 401);
}
