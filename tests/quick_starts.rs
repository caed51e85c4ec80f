//! The quick starts, run start to finish as their readers would: every `sh` block, in order, in one shell, in an empty folder,
//! with the binaries of this build. Ports and, for real money, wallets and a chain come from the environment, as the
//! documents say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_testkit::process::{Process, free_port};
use tollwire_testkit::tools::{self, workspace};
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::facilitator::binary;
use tollwire_tests::settings::{ANVIL_KEY, PROVIDER};

/// "Under five minutes each after the build."
const PATIENCE: Duration = Duration::from_secs(300);

/// For what was written already, or is written while everything ends.
const SOON: Duration = Duration::from_secs(10);

/// The commands of a document.
fn commands(document: &str) -> String {
    let text = std::fs::read_to_string(workspace().join("docs").join(document)).unwrap();
    let mut script =
        String::from("set -euo pipefail\nset -m\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n");
    for block in text.split("```sh\n").skip(1) {
        script.push_str(block.split_once("```").unwrap().0);
    }
    script
}

/// A home with a clone in it, whose build is this one.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let clone = home.path().join("tollwire");
    std::fs::create_dir_all(clone.join("target")).unwrap();
    for folder in ["docs", "sdks"] {
        symlink(workspace().join(folder), clone.join(folder)).unwrap();
    }
    symlink(binary().parent().unwrap(), clone.join("target/release")).unwrap();
    home
}

/// So many ports that nobody listens on, each another.
fn free_ports<const N: usize>() -> [u16; N] {
    let mut ports = BTreeSet::new();
    while ports.len() < N {
        ports.insert(free_port().unwrap());
    }
    let mut ports = ports.into_iter();
    std::array::from_fn(|_| ports.next().unwrap())
}

/// What a document's commands printed.
struct Told(Process);

impl Told {
    async fn has(&mut self, text: &str) {
        self.0.wait_for_line(text, SOON).await.unwrap();
    }

    /// How many lines have this text.
    fn count(&self, text: &str) -> usize {
        self.0.lines().iter().filter(|line| line.contains(text)).count()
    }
}

/// Runs a document's commands in a folder to their end, which must be a success.
async fn run(document: &str, folder: &Path, variables: &[(&str, String)]) -> Told {
    let home = home();
    let mut bash = Command::new("bash");
    bash.args(["-c", &commands(document)]).current_dir(folder).env("HOME", home.path());
    bash.envs(variables.iter().map(|(name, value)| (*name, value)));
    // Go keeps what it built outside of the home that is not its user's.
    bash.env("GOCACHE", std::env::temp_dir().join("tollwire-go-cache"));
    let mut bash = Process::spawn(bash).unwrap();
    let ended = bash.exit(PATIENCE).await;
    if ended.is_err() {
        // It ends what it started.
        bash.signal("TERM").await.unwrap();
        let _ = bash.exit(SOON).await;
    }
    assert!(ended.is_ok_and(|status| status.success()), "{document}:\n{}", bash.lines().join("\n"));
    Told(bash)
}

#[tokio::test]
async fn a_provider_sells_a_feed() {
    let folder = tempfile::tempdir().unwrap();
    let [facilitator, feed] = free_ports().map(|port| format!("127.0.0.1:{port}"));
    let variables = [("FACILITATOR_AT", facilitator), ("FEED_AT", feed)];
    let mut told = run("quick-start-provider.md", folder.path(), &variables).await;
    for text in [
        "402",
        r#""code":"missing""#,
        r#""code":"malformed""#,
        r#"{"tick":1}"#,
        r#"{"tick":2}"#,
        r#"{"tick":3}"#,
        " for $0.10",
        " opens ticks",
    ] {
        told.has(text).await;
    }
}

/// Three clients run dry at 4008 and pay again: the command, and the official ones of npm and PyPI, which are installed from
/// what `cargo xtask setup` has fetched.
#[tokio::test]
async fn an_agent_pays() {
    let folder = tempfile::tempdir().unwrap();
    let [seller] = free_ports();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let variables = [
        ("SELLER", format!("127.0.0.1:{seller}")),
        ("npm_config_cache", path(tools::npm_cache().unwrap())),
        ("npm_config_offline", "true".to_owned()),
        ("npm_config_audit", "false".to_owned()),
        ("PIP_FIND_LINKS", path(tools::wheels().unwrap())),
        ("PIP_NO_INDEX", "1".to_owned()),
        // A proxy of the machine's must not stand between the clients and the facilitator.
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    let mut told = run("quick-start-agent.md", folder.path(), &variables).await;
    for text in [
        "402",
        "20 quotes.jsonl",
        "topped up: ",
        "exhausted: Session balance exhausted. Re-authorize via x402 to continue.",
        "open again: another session, paid $0.10; $0.20 of $0.20 spent",
        "spent $0.20 of $1.00",
    ] {
        told.has(text).await;
    }
    // Twice each, in TypeScript and in Python.
    assert_eq!(told.count("paid $0.10 for 10 messages"), 4);
    let closed = "closed: 4008 Session balance exhausted. Re-authorize via x402 to continue.";
    assert_eq!(told.count(closed), 4);
}

/// An event waits for an agent that is away, and is answered once it comes.
#[tokio::test]
async fn an_app_asks_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    let [broker, admin] = free_ports().map(|port| format!("127.0.0.1:{port}"));
    let variables = [
        ("BROKER_AT", broker),
        ("ADMIN_AT", admin),
        ("PIP_FIND_LINKS", tools::wheels().unwrap().to_str().unwrap().to_owned()),
        ("PIP_NO_INDEX", "1".to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    let mut told = run("quick-start-broker.md", folder.path(), &variables).await;
    for text in [
        r#""allow":["portal"]"#,
        "accepted: queued",
        "Got it.",
        "reply: Got it.",
        r#""what":"accepted""#,
        r#""what":"replied""#,
    ] {
        told.has(text).await;
    }
    assert_eq!(told.count("hello"), 0, "what is said is in no log");
}

/// Everything but the chain's own network: a node with Circle's USDC on Base's chain id stands in for it.
#[tokio::test]
async fn an_operator_runs_it_for_real() {
    let folder = tempfile::tempdir().unwrap();
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(100))).await.unwrap();
    let anvil = Arc::new(Anvil::start(8453).await.unwrap());
    let payer = fresh_nonce();
    let address = PrivateKey::from_bytes(&payer).unwrap().address().to_string();
    anvil.mint(&address, 100_000).await.unwrap();
    let _blocks = blocks(&anvil);
    let ports = free_ports::<7>().map(|port| port.to_string());
    let names = ["FRONT", "NODE_A", "ADMIN_A", "NODE_B", "ADMIN_B", "REDIS", "SPARE"];
    let [prometheus] = free_ports();
    let mut variables: Vec<_> = names.into_iter().zip(ports).collect();
    variables.extend([
        ("PROMETHEUS", prometheus.to_string()),
        ("BASE_RPC", anvil.url()),
        // anvil asks for a thousand times the tip that Base does; the deposit is to pay its own gas here, too.
        ("ETH_USD", "20".to_owned()),
        ("EVM_KEY", ANVIL_KEY.trim_start_matches("0x").to_owned()),
        ("PROVIDER_WALLET", PROVIDER.to_owned()),
        ("UPSTREAM", feed.url("/stream")),
        ("PAYER_KEY", hex::encode(payer)),
    ]);
    let mut told = run("quick-start-operator.md", folder.path(), &variables).await;
    for text in [
        "1 chain(s), 1 feed(s), 0 warning(s)",
        "10 units for $0.10; $0.10 of $0.10 spent",
        r#"{"tick":3}"#,
        r#""captured":1,"held":0,"remaining":9"#,
        "<title>Tollwire facilitator</title>",
        "tollwire_settlement_transactions_left{",
        "The trial balance is zero.",
        r#""price_text":"$0.02""#,
        "aof_rewrite_in_progress:0",
    ] {
        told.has(text).await;
    }
    let paid = anvil.balance_of(PROVIDER).await.unwrap();
    assert!((1..=9_900).contains(&paid), "a cent, less fee and gas: {paid}");
    assert_eq!(anvil.balance_of(&address).await.unwrap(), 0);
}

/// Blocks come four times as fast as on Base, so that a deposit is soon deep enough to be paid out.
fn blocks(anvil: &Arc<Anvil>) -> JoinSet<()> {
    let anvil = Arc::clone(anvil);
    let mut mining = JoinSet::new();
    mining.spawn(async move {
        while anvil.mine(2).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    mining
}
