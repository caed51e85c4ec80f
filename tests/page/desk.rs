//! The broker's page with an orchestrator and agent sessions: counts, phases, health, the operator's two words; no content.

use crate::rig::{is_sound, look_at};
use serde_json::json;
use tollwire_session::{Algorithm, SigningKey};
use tollwire_tests::broker::{Broker, BrokerSettings, run};
use tollwire_tests::facilitator::ADMIN_TOKEN;
use tollwire_tests::http::get;

/// A broker with everything that a person at the desk looks after; and what its agents prove themselves with.
async fn start() -> (Broker, String) {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed, problem) = run(&["asp", "secret"], folder.path()).await;
    assert!(status.success(), "{problem}");
    let line =
        |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let hash = line("secret_hash:");
    let client = |id: &str, agent: &str, org: &str| {
        format!(
            "[[asp.client]]\nid = \"{id}\"\nsecret_hash = \"{hash}\"\nagent = \"{agent}\"\norg = \"{org}\"\ntrust = \"90\"\n"
        )
    };
    let alpha = client("oac_acme", "agent://acme.com/procurement/alpha", "org_acme");
    let beta = client("oac_cloudprime", "agent://cloudprime.io/gpu/beta", "org_cloudprime");
    let settings = BrokerSettings {
        top: "token_key = \"file:token-key\"\nstore = \"file:./broker.db\"\n[[chain]]\nkind = \"dev\"\n"
            .into(),
        admin: "token = \"file:admin-token\"".into(),
        apis: format!(
            "[token]\nissuer = \"desk\"\nsigning_key = \"file:session-key.pem\"\n\
             [prepaid]\ndeposits = [\"1\"]\n[orchestrator]\nbrain = \"brain\"\n\
             [asp]\nsigning_key = \"file:asp-key\"\n{alpha}{beta}"
        ),
        ..BrokerSettings::default()
    };
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap().to_pem().unwrap().as_str().to_owned();
    let files = [
        ("token-key", "0123456789abcdef0123456789abcdef"),
        ("admin-token", ADMIN_TOKEN),
        ("session-key.pem", key.as_str()),
        ("asp-key", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
    ];
    (Broker::start_with(&settings, &files).await, line("secret:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_looks_after_people_and_negotiations() {
    let (broker, secret) = start().await;
    let url = broker.admin_url("/");
    let script =
        look_at("desk", &url, ADMIN_TOKEN).env("PUBLIC_URL", broker.url("")).env("ASP_SECRET", secret);
    let seen = script.result().await;
    is_sound(&seen, &url);
    assert_eq!(seen["wide"], json!([]), "nothing is wider than its screen");
    assert_eq!(seen["shown"], json!(false), "what people and agents say is on no page");
    assert_eq!(seen["hostile"], json!({ "text": 1, "title": "Service agents · Tollwire broker" }));
    let auto_pay = "$0.05 of $0.20 today, $0.05 a job";
    assert_eq!(seen["ada"], json!(["1", "0", "0", auto_pay, "Linked", "–", "1 key"]), "{seen}");
    assert_eq!(
        seen["bob"],
        json!(["1", "0", "1", "$0.00 today; it is off", "Linked", "–", "1 key"]),
        "{seen}"
    );
    assert_eq!((&seen["asked"][0], &seen["asked"][1]), (&json!("bob"), &json!("Asked to pay")), "{seen}");
    assert_eq!(seen["ended"], json!(1000));
    let words = json!([{ "action": "resume", "note": "looked at" }, { "action": "breach", "note": "" }]);
    assert_eq!(seen["words"], words);
}

#[tokio::test]
async fn a_broker_without_them_says_so() {
    let settings = BrokerSettings {
        top: "token_key = \"file:token-key\"\nstore = \"file:./broker.db\"".into(),
        admin: "token = \"file:admin-token\"".into(),
        ..BrokerSettings::default()
    };
    let secrets = [("token-key", "0123456789abcdef0123456789abcdef"), ("admin-token", ADMIN_TOKEN)];
    let broker = Broker::start_with(&settings, &secrets).await;
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for path in ["orchestrator", "service-agents", "asp/sessions"] {
        let url = broker.admin_url(&format!("/admin/{path}"));
        assert_eq!(get(&url, &[("authorization", &bearer)]).await.status, 404, "{path}");
        assert_eq!(get(&url, &[]).await.status, 401, "{path}");
    }
}
