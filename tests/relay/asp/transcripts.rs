//! `relay-broker asp verify`, on what a broker has kept.

use super::rig::{Asp, introduce, key, say};
use serde_json::{Value, json};
use tollwire_tests::broker;

#[tokio::test]
async fn an_exported_session_is_verified_and_a_changed_one_named() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    for number in 4..=20 {
        b.speak("INFORM", json!({"n": number, "price": 3.5}), None).await;
    }
    let path = format!("/v1/asp/sessions/{session}/messages?limit=200");
    let page = alpha.send("GET", &path, &Value::Null).await;
    assert_eq!(page.header("content-type"), Some("application/asp+json"));
    let folder = tempfile::tempdir().unwrap();
    let verify = async |content: &str, more: &[&str]| {
        std::fs::write(folder.path().join("session.json"), content).unwrap();
        let arguments: Vec<&str> =
            ["asp", "verify", "session.json"].into_iter().chain(more.iter().copied()).collect();
        broker::run(&arguments, folder.path()).await
    };
    let hex = key().to_string();
    let (status, out, err) = verify(&page.text(), &["--key", &hex]).await;
    assert!(status.success(), "{out}{err}");
    assert!(out.contains(&format!("{session}: 20 message(s) verified, CONVERSING then")), "{out}");
    let (status, _, err) = verify(&page.text(), &[]).await;
    assert!(status.success() && err.contains("its own word") || err.contains("own word"), "{err}");

    let changed = |change: &dyn Fn(&mut Value)| {
        let mut page = page.json();
        change(&mut page);
        page.to_string()
    };
    for (content, expected) in [
        (
            changed(&|page| page["messages"][6]["content"]["body"]["price"] = json!(4.5)),
            "message 7: its hash",
        ),
        (changed(&|page| drop(page["messages"].as_array_mut().unwrap().remove(4))), "message 5: "),
        (
            changed(&|page| drop(page["messages"].as_array_mut().unwrap().pop())),
            "message 20: the session's head",
        ),
    ] {
        let (status, _, err) = verify(&content, &["--key", &hex]).await;
        assert_eq!(status.code(), Some(1), "{err}");
        assert!(err.contains(expected), "{expected}: {err}");
    }
    let (status, _, err) = verify(&page.text(), &["--key", &"11".repeat(32)]).await;
    assert!(!status.success() && (err.contains("message 1: its signature") || err.contains("key")), "{err}");

    let keys = tollwire_tests::http::get(&asp.broker.url("/.well-known/asp-keys.json"), &[]).await.json();
    assert_eq!((&keys["keys"][0]["x"], &keys["keys"][0]["hex"]), (&json!(key().x()), &json!(hex)));
}

#[tokio::test]
async fn a_running_broker_s_session_is_verified_by_its_url() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    let (mut b, _) = beta.connect(&session, None).await;
    introduce(&mut a, &mut b).await;
    for number in 4..=210 {
        a.send(&say("INFORM", json!({"n": number}))).await;
    }
    for _ in 4..=210 {
        a.heard("ack").await;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), asp.secret()).unwrap();
    let verify = async |url: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["asp", "verify", url].into_iter().chain(more.iter().copied()).collect();
        let (status, out, err) = broker::run(&arguments, folder.path()).await;
        (status.code(), format!("{out}{err}"))
    };
    let login = |client| ["--client", client, "--secret", "file:secret"];
    let url = asp.broker.url(&format!("/v1/asp/sessions/{session}"));
    let verified = format!("{session}: 210 message(s) verified, CONVERSING then");
    for url in [url.clone(), format!("{url}/messages")] {
        let (status, said) = verify(&url, &login("oac_cloudprime")).await;
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(&verified), "{said}");
        let at = asp.broker.url("/.well-known/asp-keys.json");
        assert!(said.contains(&format!("signed by a key of {at}")) && !said.contains("warning"), "{said}");
    }
    let (hex, other) = (key().to_string(), "11".repeat(32));
    let with_key = |key| [&login("oac_acme")[..], &["--key", key]].concat();
    let (status, said) = verify(&url, &with_key(&hex)).await;
    assert!(status == Some(0) && said.contains(&verified) && !said.contains("signed by"), "{said}");
    for (more, expected) in [
        (with_key(&other), "key"),
        (login("oac_elsewhere").to_vec(), "403 (FORBIDDEN)"),
        (login("oac_nobody").to_vec(), "401 (invalid_client)"),
        (vec![], "--client"),
    ] {
        let (status, said) = verify(&url, &more).await;
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let (status, said) = verify(&asp.broker.url("/elsewhere"), &login("oac_acme")).await;
    assert!(status == Some(1) && said.contains("/v1/asp/sessions/ID"), "{said}");
}
