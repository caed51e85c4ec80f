//! The `facilitator` binary as a process under test.

use crate::settings::{Chain, Settings};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::{Process, free_port};

/// The admin token of every facilitator under test.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests-0123456789";

/// A running facilitator with its folder; both go when it is dropped.
#[derive(Debug)]
pub struct Facilitator {
    process: Process,
    folder: TempDir,
    settings: Settings,
    public: u16,
    admin: u16,
    log: &'static str,
}

/// The binary, built by `cargo xtask test` (or `cargo build`).
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/<test> -> target/debug/facilitator
    let path = test.ancestors().nth(2).unwrap().join("facilitator");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test`, or `cargo build --bins` first",
        path.display()
    );
    path
}

/// A finished run of the binary with these arguments.
pub async fn run(arguments: &[&str], folder: &Path) -> (ExitStatus, String, String) {
    let output = Command::new(binary()).args(arguments).current_dir(folder).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status, text(output.stdout), text(output.stderr))
}

impl Facilitator {
    /// Starts one and waits until it listens.
    pub async fn start(settings: Settings) -> Self {
        Self::start_logging(settings, "info").await
    }

    /// Starts one with a log filter.
    pub async fn start_logging(settings: Settings, log: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("session-key.pem");
        let (status, _, problem) = run(&["keys", "new", "--out", key.to_str().unwrap()], folder.path()).await;
        assert!(status.success(), "{problem}");
        Self::start_in(folder, settings, log).await
    }

    /// Starts a second node of the same service: the same name, the same signing key, and by its settings the same
    /// store.
    pub async fn start_beside(other: &Self, mut settings: Settings) -> Self {
        settings.public_url = Some(other.url(""));
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(other.folder.path().join("session-key.pem"), folder.path().join("session-key.pem"))
            .unwrap();
        Self::start_in(folder, settings, "info").await
    }

    async fn start_in(folder: TempDir, settings: Settings, log: &'static str) -> Self {
        let (public, admin) = (free_port().unwrap(), free_port().unwrap());
        let process = launch(folder.path(), &settings, public, admin, log).await;
        Self { process, folder, settings, public, admin, log }
    }

    /// kill -9, and start again on the same ports with the same store.
    pub async fn crash_and_restart(&mut self) {
        self.process.kill().await.unwrap();
        self.restart().await;
    }

    /// Starts again after it ended.
    pub async fn restart(&mut self) {
        self.process = launch(self.folder.path(), &self.settings, self.public, self.admin, self.log).await;
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Sends a signal by name, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        self.process.signal(name).await.unwrap();
    }

    /// Waits for its end.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        self.process.exit(within).await.unwrap()
    }

    /// Everything it has written.
    pub fn output(&self) -> String {
        self.process.lines().join("\n")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Its public port.
    pub fn port(&self) -> u16 {
        self.public
    }

    /// An URL of its public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.public)
    }

    /// A WebSocket URL of its public listener.
    pub fn ws_url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.public)
    }

    /// An URL of its admin listener.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// Writes its configuration anew (for SIGHUP or a restart).
    pub fn reconfigure(&mut self, settings: Settings) {
        std::fs::write(self.folder.path().join("facilitator.toml"), settings.toml(self.public, self.admin))
            .unwrap();
        self.settings = settings;
    }
}

async fn launch(folder: &Path, settings: &Settings, public: u16, admin: u16, log: &str) -> Process {
    let config = folder.join("facilitator.toml");
    std::fs::write(&config, settings.toml(public, admin)).unwrap();
    let mut command = Command::new(binary());
    command.arg("serve").arg("--config").arg(&config).current_dir(folder);
    command.env("TOLLWIRE_ADMIN_TOKEN", ADMIN_TOKEN).env("RUST_LOG", log).env("NO_COLOR", "1");
    command.envs(settings.env.iter().map(|(name, value)| (name, value)));
    match &settings.chain {
        Chain::Dev => {}
        Chain::Evm { settlement_key, .. } => {
            command.env("TOLLWIRE_EVM_KEY", settlement_key);
        }
        Chain::Solana { settlement_key, deposit_key, .. } => {
            command.env("TOLLWIRE_SOLANA_KEY", settlement_key).env("TOLLWIRE_DEPOSIT_KEY", deposit_key);
        }
    }
    let mut process = Process::spawn(command).unwrap();
    process.wait_for_line("Facilitator listening", Duration::from_secs(30)).await.unwrap();
    process
}
