//! `docs/watching`: the alerts and the dashboard are about metrics that exist, say what Prometheus understands, and fire when
//! they should. Debian's `promtool` judges.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tollwire_testkit::feed::Mode;
use tollwire_testkit::tools::workspace;
use tollwire_tests::http::get;
use tollwire_tests::world::World;
use tollwire_tests::ws;

fn watching(file: &str) -> PathBuf {
    workspace().join("docs/watching").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(watching(file)).unwrap()
}

/// Runs promtool, which must be content; gives what it said.
async fn promtool(arguments: &[&str], file: &Path) -> String {
    let run = Command::new("promtool").args(arguments).arg(file).output().await;
    let output = run.expect("promtool is missing: `cargo xtask setup` installs Debian's prometheus");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("tollwire_")).map(str::to_owned).collect()
}

/// The metrics that sources below a folder make, by the string literals in their macros.
fn made(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            made(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let quoted = text.match_indices("\"tollwire_").map(|(at, _)| &text[at + 1..]);
            let literals = quoted.filter_map(|rest| rest.split_once('"')).map(|(literal, _)| literal);
            found.extend(literals.map(str::to_owned));
        }
    }
}

/// The expressions of the dashboard's panels.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_alert_fires_when_it_should() {
    let told = promtool(&["check", "rules"], &watching("alerts.yml")).await;
    assert!(told.contains("16 rules found"), "{told}");
    promtool(&["test", "rules"], &watching("alerts_test.yml")).await;
    // Each is tested.
    let (alerts, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names.len(), 16);
    for name in names {
        assert!(tests.contains(&format!("alertname: {name}")), "{name} has no test");
    }
}

#[tokio::test]
async fn the_dashboard_asks_what_prometheus_understands() {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let asked = expressions(&dashboard);
    assert!(asked.len() >= 18);
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (n, expression) in asked.iter().enumerate() {
        // Grafana fills these in.
        let filled = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        assert!(!filled.contains('$'), "{filled}");
        let quoted = serde_json::to_string(&filled).unwrap();
        writeln!(rules, "  - record: panel:{n}\n    expr: {quoted}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules"], &file).await;
}

#[test]
fn every_metric_that_is_watched_exists() {
    let mut exist = BTreeSet::new();
    for krate in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let sources = krate.unwrap().path().join("src");
        if sources.is_dir() {
            made(&sources, &mut exist);
        }
    }
    assert!(exist.len() > 30, "{exist:?}");
    for file in ["alerts.yml", "alerts_test.yml", "dashboard.json", "README.md"] {
        let watched = named(&read(file));
        assert!(watched.len() >= 10, "{file}: {watched:?}");
        for metric in watched {
            // A histogram is asked for by its buckets.
            let made = metric.strip_suffix("_bucket").unwrap_or(&metric);
            assert!(exist.contains(made), "{file} names {metric}, which nothing makes");
        }
    }
}

/// A facilitator that has sold, served and refused shows it to a scrape.
#[tokio::test]
async fn a_scrape_shows_what_is_watched() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let token = world.token(10).await;
    ws::open(&world.ws(&token), &[]).await.unwrap().close().await;
    assert!(ws::open(&world.ws("forged"), &[]).await.is_err());
    let text = get(&world.facilitator.admin_url("/metrics"), &[]).await.text();
    for line in [
        "tollwire_store_ready 1",
        "tollwire_upgrades_refused_total{reason=\"token-invalid\"} 1",
        "tollwire_stream_opens_total{feed=\"ticks\",outcome=\"opened\"} 1",
        "tollwire_settlements_total{chain=\"dev\",outcome=\"credited\"} 1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let answer = text.lines().find_map(|line| line.strip_prefix("tollwire_store_answer_seconds ")).unwrap();
    assert!(answer.starts_with("0.") || answer.contains("e-"), "{answer}");
    let shown = named(&text);
    for metric in ["tollwire_payments_total", "tollwire_settlement_seconds", "tollwire_upstream_dial_seconds"]
    {
        assert!(shown.iter().any(|name| name.starts_with(metric)), "{metric}\n{text}");
    }
}
