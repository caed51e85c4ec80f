//! The `relay-broker` binary as a process under test.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::{Process, free_port};

/// A running broker with its folder; both go when it is dropped.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    folder: TempDir,
    public: u16,
    admin: u16,
}

/// What stands in a broker's file beside its listeners.
#[derive(Debug, Clone, Default)]
pub struct BrokerSettings {
    /// More lines at the top level.
    pub top: String,
    /// The `[limits]` table's lines.
    pub limits: String,
    /// `[[api]]` tables, and any others.
    pub apis: String,
    /// More lines of `[admin]`.
    pub admin: String,
    /// The URL agents use, if not this process's own (several brokers behind one name).
    pub public_url: Option<String>,
}

impl BrokerSettings {
    /// With an API `demo` at an address of this machine.
    pub fn demo(url: &str) -> Self {
        Self { apis: Self::api("demo", url, ""), ..Self::default() }
    }

    /// The table of an API at an address of this machine.
    pub fn api(id: &str, url: &str, more: &str) -> String {
        format!("[[api]]\nid = \"{id}\"\nbase_url = \"{url}\"\nallow_private = true\n{more}\n")
    }

    fn toml(&self, public: u16, admin: u16) -> String {
        let Self { top, limits, apis, admin: more, public_url } = self;
        let own = format!("http://127.0.0.1:{public}");
        let url = public_url.as_ref().unwrap_or(&own);
        format!(
            "listen = \"127.0.0.1:{public}\"\npublic_url = \"{url}\"\n{top}\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n{more}\n[limits]\n{limits}\n{apis}"
        )
    }
}

/// The binary, built by `cargo xtask test` (or `cargo build`).
pub fn binary() -> PathBuf {
    let path = crate::facilitator::binary().with_file_name("relay-broker");
    assert!(path.is_file(), "{} is missing: run `cargo build --bins` first", path.display());
    path
}

/// A finished run of the binary with these arguments.
pub async fn run(arguments: &[&str], folder: &Path) -> (ExitStatus, String, String) {
    let output = Command::new(binary()).args(arguments).current_dir(folder).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status, text(output.stdout), text(output.stderr))
}

impl Broker {
    /// Starts one and waits until it listens.
    pub async fn start(settings: &BrokerSettings) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// The same with files beside its configuration, by name and content.
    pub async fn start_with(settings: &BrokerSettings, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let (public, admin) = (free_port().unwrap(), free_port().unwrap());
        std::fs::write(folder.path().join("broker.toml"), settings.toml(public, admin)).unwrap();
        let process = launch(folder.path()).await;
        Self { process, folder, public, admin }
    }

    /// Its folder, where its configuration is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// kill -9.
    pub async fn crash(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again after its end, on the same ports.
    pub async fn restart(&mut self) {
        self.process = launch(self.folder.path()).await;
    }

    /// Where an app (`app`) or an agent (`agent`) connects.
    pub fn bridge_url(&self, door: &str) -> String {
        format!("ws://127.0.0.1:{}/v1/ws/{door}", self.public)
    }

    /// Writes another file for it to reload.
    pub fn reconfigure(&self, settings: &BrokerSettings) {
        let text = settings.toml(self.public, self.admin);
        std::fs::write(self.folder.path().join("broker.toml"), text).unwrap();
    }

    /// kill -9, and start again on the same ports.
    pub async fn crash_and_restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = launch(self.folder.path()).await;
    }

    /// Sends a signal by name, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        self.process.signal(name).await.unwrap();
    }

    /// Waits for its end.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        self.process.exit(within).await.unwrap()
    }

    /// Waits for a line it writes.
    pub async fn line(&mut self, text: &str) -> String {
        self.process.wait_for_line(text, Duration::from_secs(20)).await.unwrap()
    }

    /// Everything it has written.
    pub fn output(&self) -> String {
        self.process.lines().join("\n")
    }

    /// Its public port.
    pub fn port(&self) -> u16 {
        self.public
    }

    /// An URL of its public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.public)
    }

    /// Where WebSockets are opened.
    pub fn socket_url(&self) -> String {
        format!("ws://127.0.0.1:{}/api/ws/relay", self.public)
    }

    /// An URL of its admin listener.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }
}

async fn launch(folder: &Path) -> Process {
    let mut command = Command::new(binary());
    command.args(["serve", "--config", "broker.toml"]).current_dir(folder).env("RUST_LOG", "debug");
    let mut process = Process::spawn(command).unwrap();
    process.wait_for_line("Relay-broker listening on", Duration::from_secs(30)).await.unwrap();
    process
}
