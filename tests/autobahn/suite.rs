//! One run of the suite's fuzzing client.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tollwire_testkit::tools;

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// Framing, control frames, reserved bits and opcodes, fragmentation, UTF-8, the close handshake, automatic fragmentation.
/// Not 9 (a hundred seconds of large messages, which the broker bounds at less) and not 12 and 13 (compression, which the
/// broker does not offer).
const CASES: [&str; 8] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];

/// How many cases these are.
const COUNT: usize = 247;

/// What a case came to: what was said, how it was closed, and with which code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) behavior: String,
    pub(crate) close: String,
    pub(crate) code: Option<u64>,
}

impl Verdict {
    /// Whether nothing is to be said against it. What Autobahn calls informational has no right answer.
    pub(crate) fn is_fine(&self) -> bool {
        let fine = |said: &str| matches!(said, "OK" | "INFORMATIONAL");
        fine(&self.behavior) && fine(&self.close)
    }
}

/// Runs all cases against a WebSocket; with `answer` it need not echo text, but say something that begins so.
pub(crate) async fn run(url: &str, answer: Option<&str>) -> BTreeMap<String, Verdict> {
    run_cases(url, answer, &CASES, COUNT).await
}

/// Runs some cases, which must be so many.
pub(crate) async fn run_cases(
    url: &str,
    answer: Option<&str>,
    cases: &[&str],
    count: usize,
) -> BTreeMap<String, Verdict> {
    let folder = tempfile::tempdir().unwrap();
    let server = json!({ "agent": "server", "url": url, "options": { "version": 18 } });
    let spec = json!({
        "outdir": "./reports", "servers": [server], "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
    });
    std::fs::write(folder.path().join("spec.json"), spec.to_string()).unwrap();
    let mut client = Command::new(tools::autobahn().unwrap());
    client.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("autobahn/client.py")).arg("spec.json");
    client.args(answer).current_dir(folder.path()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, client.output()).await.expect("the suite takes too long");
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let index = std::fs::read_to_string(folder.path().join("reports/index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let verdicts: BTreeMap<String, Verdict> = index["server"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(case, verdict)| {
            let (behavior, close) = (text(&verdict["behavior"]), text(&verdict["behaviorClose"]));
            (case.clone(), Verdict { behavior, close, code: verdict["remoteCloseCode"].as_u64() })
        })
        .collect();
    assert_eq!(verdicts.len(), count, "not every case was run: {output:?}");
    verdicts
}
