//! `check`, `dev`, and files that must not start.

use crate::rig::{frame, send};
use serde_json::json;
use std::time::Duration;
use tokio::process::Command;
use tollwire_testkit::process::{Process, free_port};
use tollwire_tests::broker::{binary, run};
use tollwire_tests::http::post;

const TOP: &str = "public_url = \"http://127.0.0.1:4030\"\n";

/// With the key of the bridge.
const KEYED: &str = "public_url = \"http://127.0.0.1:4030\"\ntoken_key = \"file:key\"\n";

async fn check(text: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broker.toml"), text).unwrap();
    std::fs::write(folder.path().join("key"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::write(folder.path().join("short"), "0123456789abcdef\n").unwrap();
    let (status, told, problem) = run(&["check", "--config", "broker.toml"], folder.path()).await;
    (status.code(), told, problem)
}

#[tokio::test]
async fn a_file_is_checked_before_anything_is_bound() {
    let good = format!("{TOP}[[api]]\nid = \"demo\"\nbase_url = \"https://api.example.com/v1\"\n");
    let (status, told, problem) = check(&good).await;
    assert_eq!((status, told.as_str()), (Some(0), "broker.toml: ok, 1 API(s), 0 warning(s)\n"), "{problem}");

    for (text, expected) in [
        (String::new(), "public_url"),
        (format!("{TOP}litsen = 1"), "unknown field `litsen`"),
        (format!("{TOP}origins = [\"example.com\"]"), "origins: write an origin"),
        (format!("{TOP}[limits]\nheartbeat = \"0s\""), "limits.heartbeat"),
        (format!("{TOP}[limits]\nqueue_bytes = 0"), "limits.queue_bytes"),
        (format!("{TOP}[[api]]\nid = \"a/b\"\nbase_url = \"https://x.example\""), "API id"),
        (format!("{TOP}[[api]]\nid = \"a\"\nbase_url = \"ftp://x.example\""), "api[0]: base_url"),
        (format!("{TOP}[[api]]\nid = \"a\"\nbase_url = \"http://127.0.0.1\""), "allow_private"),
        (format!("{TOP}[[api]]\nid = \"a\"\nbase_url = \"http://169.254.169.254/\""), "allow_private"),
        (format!("{TOP}[[api]]\nid = \"a\"\nbase_url = \"env:SURELY_NOT_SET_HERE\""), "SURELY_NOT_SET_HERE"),
        (format!("{TOP}[[app]]\nid = \"portal\"\ntoken_hash = \"x\""), "token_key"),
        (format!("{TOP}token_key = \"file:nowhere\""), "nowhere"),
        (format!("{TOP}token_key = \"file:short\""), "at least 32 characters"),
        (format!("{TOP}token_key = \"0123456789abcdef0123456789abcdef\""), "token_key"),
        (format!("{KEYED}[[app]]\nid = \"portal\"\ntoken_hash = \"x\""), "app[0].token_hash"),
        (format!("{KEYED}[[agent]]\nid = \"Bad\"\ntoken_hash = \"x\""), "a name is"),
        (format!("{KEYED}[limits]\nagent_first_token = \"0s\""), "limits.agent_first_token"),
        (
            format!(
                "{TOP}[[api]]\nid = \"a\"\nbase_url = \"https://x.example\"\nheaders = {{ host = \"x\" }}"
            ),
            "headers: host",
        ),
    ] {
        let (status, _, problem) = check(&text).await;
        assert_eq!(status, Some(78), "{text}: {problem}");
        assert!(problem.starts_with("error: ") && problem.contains(expected), "{text}: {problem}");
    }
    let twice = format!("{good}{}", &good[TOP.len()..]);
    assert!(check(&twice).await.2.contains("stands twice"));
}

#[tokio::test]
async fn likely_mistakes_are_warned_of() {
    let text = "listen = \"0.0.0.0:4030\"\npublic_url = \"http://broker.example.com\"\norigins = [\"*\"]\n\
                [admin]\nlisten = \"0.0.0.0:4031\"\n[[api]]\nid = \"a\"\nbase_url = \"http://x.example.com\"\n";
    let (status, told, problem) = check(text).await;
    assert_eq!(status, Some(0), "{problem}");
    let bridge = check(&format!("{KEYED}[admin]\nlisten = \"127.0.0.1:4031\"\n")).await;
    assert!(bridge.2.contains("warning: token_key:"), "nobody can be registered: {}", bridge.2);
    for key in ["origins:", "public_url:", "admin.listen:", "api a:"] {
        assert!(problem.contains(&format!("warning: {key}")), "{key}: {problem}");
    }
    assert!(told.contains("4 warning(s)"), "{told}");
}

#[tokio::test]
async fn dev_serves_a_sample_and_says_what_to_try() {
    let port = free_port().unwrap();
    let mut command = Command::new(binary());
    command.args(["dev", "--listen", &format!("127.0.0.1:{port}")]);
    let mut process = Process::spawn(command).unwrap();
    process.wait_for_line("Ctrl-C ends it", Duration::from_secs(30)).await.unwrap();
    let url = format!("http://127.0.0.1:{port}/relay/demo/v1/echo");
    assert_eq!(post(&url, &[], &json!({ "b": 1 })).await.json(), json!({ "b": 1 }));
    let app = process
        .lines()
        .iter()
        .find_map(|line| Some(line.split_once("/v1/ws/app?token=")?.1.trim_matches('"').to_owned()));
    let url = format!("ws://127.0.0.1:{port}/v1/ws/app?token={}", app.unwrap());
    let mut socket = tollwire_tests::ws::open(&url, &[]).await.unwrap();
    let event = json!({ "type": "event", "agent_id": "echo", "thread_id": "t", "payload": { "b": 1 } });
    send(&mut socket, &event).await;
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "reply") {
        kinds.push(frame(&mut socket).await["type"].as_str().unwrap().to_owned());
    }
    assert_eq!((kinds[0].as_str(), kinds[1].as_str()), ("accepted", "token"), "{kinds:?}");
    negotiated(&process, port).await;
    process.signal("INT").await.unwrap();
    assert!(process.exit(Duration::from_secs(10)).await.unwrap().success());

    let (status, _, problem) = run(&["dev", "--listen", "0.0.0.0:0"], std::path::Path::new(".")).await;
    assert!(!status.success() && problem.contains("not loopback"), "{problem}");
}

/// The commands that it prints for two agents do what they say.
async fn negotiated(process: &Process, port: u16) {
    let url = format!("http://127.0.0.1:{port}");
    let secret = |name: &str| {
        let export = format!("export {name}=");
        process.lines().iter().find_map(|line| Some(line.split_once(&export)?.1.to_owned())).unwrap()
    };
    let (buyer, seller) = (secret("BUYER_SECRET"), secret("SELLER_SECRET"));
    let example = binary().with_file_name("examples").join("negotiate");
    let arguments = [url.as_str(), "oac_acme", "oac_cloud"];
    let mut command = Command::new(example);
    command.args(arguments).env("BUYER_SECRET", &buyer).env("SELLER_SECRET", &seller);
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("buyer sees EXECUTING") && told.contains("seller is closed with 1000"), "{told}");
    let session = format!("{url}/v1/asp/sessions/{}", told.lines().next().unwrap());
    let mut verify = Command::new(binary());
    verify.args(["asp", "verify", &session, "--client", "oac_acme", "--secret", "env:BUYER_SECRET"]);
    let output = verify.env("BUYER_SECRET", &buyer).output().await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("7 message(s) verified, CLOSED then"), "{told}");
}

#[tokio::test]
async fn demo_tells_a_story_that_holds() {
    let (status, told, problem) = run(&["demo"], std::path::Path::new(".")).await;
    assert!(status.success(), "{told}{problem}");
    for part in [
        "answers call 20",
        "collects it over HTTP with the same payment",
        "keeps it: the agent is away",
        "byte for byte",
        "asks for $0.001: the day's $0.001 are spent",
        "has $0.098 left: two jobs for $0.001 each, to the last unit",
        "is told messages 4, 5 and 6",
        "10 messages verified, CLOSED then",
        "not verified: message 7: its hash",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
