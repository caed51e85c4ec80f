//! The command line: keys, check, cost-model, demo.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::PermissionsExt as _;
use tollwire_tests::facilitator::run;
use tollwire_tests::settings::{Feed, Settings};

#[tokio::test]
async fn keys_are_private_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [&[][..], &["--algorithm", "es256"]] {
        let name = format!("key-{}.pem", algorithm.len());
        let arguments: Vec<&str> = ["keys", "new", "--out", &name].iter().chain(algorithm).copied().collect();
        let (status, out, problem) = run(&arguments, folder.path()).await;
        assert!(status.success() && out.contains("kid"), "{out}{problem}");
        let path = folder.path().join(&name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let first = std::fs::read(&path).unwrap();
        let (status, _, problem) = run(&arguments, folder.path()).await;
        assert!(!status.success() && problem.contains("never overwritten"), "{problem}");
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }
}

/// Runs `check` on a text beside a fresh key.
async fn check(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.toml"), text).unwrap();
    let (status, ..) = run(&["keys", "new", "--out", "session-key.pem"], folder.path()).await;
    assert!(status.success());
    let (status, out, problem) = run(&["check", "--config", "f.toml"], folder.path()).await;
    (status.success(), out + &problem)
}

#[tokio::test]
async fn check_accepts_what_serve_would_and_warns_of_footguns() {
    let good = Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9100/stream")]).toml(4020, 4021);
    // The admin token comes from the environment, which this run does not have: a file serves as well.
    let good = good.replace("env:TOLLWIRE_ADMIN_TOKEN", "file:./session-key.pem");
    let (ok, text) = check(&good).await;
    assert!(ok && text.contains("0 warning(s)"), "{text}");

    let dear = good.replace("deposit_units = [100, 10, 1]", "deposit_units = [1000, 500]");
    let (ok, text) = check(&dear).await;
    assert!(ok && text.contains("at most $0.10") && text.contains("$10.00"), "{text}");

    let public = good.replace("ws://127.0.0.1:9100", "ws://feeds.example.com");
    let (ok, text) = check(&public).await;
    assert!(ok && text.contains("go around this proxy") && text.contains("wss://"), "{text}");
}

#[tokio::test]
async fn check_refuses_and_names_file_key_and_reason() {
    let good = Settings::dev(vec![Feed::ticks("ws://127.0.0.1:9100/stream")])
        .toml(4020, 4021)
        .replace("env:TOLLWIRE_ADMIN_TOKEN", "file:./session-key.pem");
    for (from, to, expected) in [
        ("price = ", "prise = ", "prise"),
        ("price = \"0.01\"", "price = \"0.0000001\"", "price"),
        ("price = \"0.01\"", "price = \"0\"", "price"),
        ("price = \"0.01\"", "price = 0.01", "price"),
        ("deposit_units = [100, 10, 1]", "deposit_units = [1, 10]", "deposit_units"),
        ("deposit_units = [100, 10, 1]", "deposit_units = []", "deposit_units"),
        ("deposit_units = [100, 10, 1]", "deposit_units = [9007199254740993]", "deposit_units"),
        ("id = \"ticks\"", "id = \"../ticks\"", "id"),
        ("upstream = \"ws://", "upstream = \"ftp://", "upstream"),
        ("kind = \"dev\"", "kind = \"devnet\"", "kind"),
        ("kind = \"dev\"", "network = \"eip155:8453\"", "rpc_url"),
        (
            "kind = \"dev\"",
            "network = \"eip155:1\"\nrpc_url = \"http://x\"\nsettlement_key = \"env:K\"",
            "eip155:1",
        ),
        ("\"file:./session-key.pem\"\n[admin]", "\"0123456789abcdef\"\n[admin]", "env:NAME"),
        ("signing_key = \"file:./session-key.pem\"", "signing_key = \"file:./missing.pem\"", "missing.pem"),
        ("store = \"file:./facilitator.db\"", "store = \"postgres://x\"", "store"),
        ("listen = \"127.0.0.1:4020\"", "listen = \"0.0.0.0:4020\"", "dev_allow_public"),
        ("[limits]", "[limits]\nstall = \"5\"", "stall"),
        ("[limits]", "[limit]", "limit"),
    ] {
        assert!(good.contains(from), "the sample lost {from}");
        let (ok, text) = check(&good.replacen(from, to, 1)).await;
        assert!(!ok, "accepted {to}: {text}");
        assert!(text.contains("f.toml") || text.contains("missing.pem"), "{to}: {text}");
        assert!(text.contains(expected), "{to}: {text}");
        assert!(!text.contains("0123456789abcdef"), "a secret was repeated: {text}");
    }
}

#[tokio::test]
async fn the_cost_model_prints_the_papers_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (status, out, problem) = run(&["cost-model"], folder.path()).await;
    assert!(status.success(), "{problem}");
    for figure in ["0.98300", "0.98875", "0.98930", "9.89300", "9,830.00", "508", "499.36", "245.75"] {
        assert!(out.contains(figure), "{figure} is missing:\n{out}");
    }
}

#[tokio::test]
async fn the_demo_tells_its_story_and_balances_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let (status, out, problem) = run(&["demo"], folder.path()).await;
    assert!(status.success(), "{out}{problem}");
    for part in ["402", "4008", "Session balance exhausted", "provider net", "fee", "gas", "unspent"] {
        assert!(out.contains(part), "{part} is missing:\n{out}");
    }
    // Once by the stream, by the second, by the KiB, and after all top-ups: each with the paper's reason.
    assert_eq!(
        out.matches("CLOSE 4008 \"Session balance exhausted. Re-authorize via x402 to continue.\"").count(),
        4
    );
    for used in ["bought 3 seconds for $0.03, used 3", "bought 150 KiB for $0.015, used 150"] {
        assert!(out.contains(used), "{used} is missing:\n{out}");
    }
    assert!(out.contains("bought 12000 KiB for $0.12, used 12000"), "{out}");
    assert!(out.contains("750 messages of 16 KiB, 2 top-ups, 1 connection(s)"), "{out}");
    let hashes: Vec<&str> = out.lines().filter_map(|line| Some(line.split_once("SHA-256 ")?.1)).collect();
    assert!(hashes.len() == 2 && hashes[0] == hashes[1], "{out}");
}
