//! The rooms of ARCHITECTURE.md, as cargo sees them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;
use tollwire_testkit::tools::workspace;

/// The names of all crates that a package is built from (normal dependencies only).
fn built_from(package: &str) -> Vec<String> {
    tree(package, &[])
}

/// The names of those that it names itself.
fn depends_on(package: &str) -> Vec<String> {
    tree(package, &["--depth", "1"])
}

fn tree(package: &str, more: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .args(more)
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_free_of(package: &str, unwanted: &[&str]) {
    let all = built_from(package);
    assert!(all.len() > 1, "{package} has no dependencies at all?");
    for name in unwanted {
        let found = all.iter().any(|built| built == name || (name.ends_with('-') && built.starts_with(name)));
        assert!(!found, "{package} is built from {name}");
    }
}

#[test]
fn the_pure_crates_know_no_runtime_and_no_randomness() {
    for package in ["tollwire-x402", "tollwire-asp", "tollwire-session", "tollwire-ledger"] {
        assert_free_of(package, &["tokio", "hyper", "getrandom", "rand"]);
    }
    // Its cryptography names a random source that nothing here calls.
    assert_free_of("tollwire-exact", &["tokio", "hyper"]);
}

#[test]
fn a_provider_compiles_no_store_no_chain_and_no_proxy() {
    for package in ["tollwire-middleware", "tollwire-middleware-axum", "tollwire-middleware-hyper"] {
        assert_free_of(
            package,
            &[
                "redis",
                "deadpool-redis",
                "redb",
                "alloy-",
                "secp256k1",
                "ed25519-dalek",
                "tollwire-proxy",
                "tollwire-ledger",
            ],
        );
    }
}

#[test]
fn the_broker_and_the_proxy_do_not_know_each_other() {
    // The gate that sells the broker's accounts has a proxy; the broker itself has nothing to do with it.
    assert!(!depends_on("tollwire-relay").iter().any(|name| name == "tollwire-proxy"));
    assert_free_of("tollwire-relay", &["deadpool-redis", "alloy-"]);
    assert_free_of("tollwire-proxy", &["tollwire-relay"]);
}

#[test]
fn only_the_chain_crates_know_wallets() {
    for package in
        ["tollwire-session", "tollwire-ledger", "tollwire-wire", "tollwire-proxy", "tollwire-ledger-redis"]
    {
        assert_free_of(package, &["alloy-", "secp256k1", "ed25519-dalek"]);
    }
    assert_free_of("tollwire-gate", &["alloy-"]);
}

#[test]
fn the_data_path_cannot_parse_payloads() {
    let manifest = std::fs::read_to_string(workspace().join("crates/wire/Cargo.toml")).unwrap();
    assert!(
        manifest.contains("[dependencies]") && !manifest.contains("serde"),
        "wire has a serde dependency"
    );
}

#[test]
fn proxy_and_settlement_do_not_know_each_other() {
    assert_free_of("tollwire-proxy", &["tollwire-settlement", "tollwire-gate"]);
    assert_free_of("tollwire-settlement", &["tollwire-proxy", "tollwire-gate", "tollwire-session"]);
}
