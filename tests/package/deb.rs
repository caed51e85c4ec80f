//! The Debian package: it installs, serves, and loses nothing in a kill, an upgrade and a purge.

use crate::made::{Made, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::{Process, free_port};
use tollwire_testkit::tools;
use tollwire_tests::agent::Agent;
use tollwire_tests::http::get;

/// A clean Debian.
struct Machine {
    root: TempDir,
}

impl Machine {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        run(Command::new("tar").arg("-xf").arg(tools::debian().unwrap()).arg("-C").arg(root.path())).await;
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Installs a package, or upgrades to it.
    async fn install(&self, package: &Path) {
        std::fs::copy(package, self.path("tmp/tollwire.deb")).unwrap();
        // As after any upgrade by hand: a configuration that was changed is kept.
        run(&mut self.command(&["dpkg", "--force-confold", "--install", "/tmp/tollwire.deb"])).await;
    }

    /// Who owns a file, and with which mode.
    async fn owner(&self, path: &str) -> String {
        run(&mut self.command(&["stat", "-c", "%U:%G %a", path])).await.trim().to_owned()
    }

    /// Starts the service as its unit does: as its user, with its environment.
    async fn serve(&self) -> Process {
        let mut command = Command::new("chroot");
        command.arg("--userspec=tollwire:tollwire").arg(self.root.path());
        command.args(["/usr/bin/facilitator", "serve", "--config", "/etc/tollwire/facilitator.toml"]);
        for line in self.read("etc/tollwire/facilitator.env").lines() {
            let (name, value) = line.split_once('=').unwrap();
            command.env(name, value);
        }
        let mut process = Process::spawn(command).unwrap();
        process.wait_for_line("Facilitator listening", Duration::from_secs(60)).await.unwrap();
        process
    }
}

/// The sessions that a node knows, by the token of its environment.
async fn sessions(machine: &Machine, admin: u16) -> Vec<Value> {
    let environment = machine.read("etc/tollwire/facilitator.env");
    let token = environment.trim().strip_prefix("TOLLWIRE_ADMIN_TOKEN=").unwrap().to_owned();
    let url = format!("http://127.0.0.1:{admin}/admin/sessions");
    let answer = get(&url, &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["sessions"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_installs_serves_and_loses_nothing() {
    let made = Made::get().await;
    let (machine, second) = tokio::join!(Machine::new(), made.revision("2"));
    machine.install(&made.package).await;
    assert_eq!(machine.owner("/var/lib/tollwire").await, "tollwire:tollwire 700");
    assert_eq!(machine.owner("/var/lib/tollwire/session-key.pem").await, "tollwire:tollwire 600");
    assert_eq!(machine.owner("/etc/tollwire/facilitator.env").await, "root:tollwire 640");
    for path in [
        "lib/systemd/system/relay-broker.service",
        "usr/share/man/man1/facilitator-keys-new.1",
        "usr/share/man/man1/tollwire-stream.1",
        "usr/share/bash-completion/completions/facilitator",
        "usr/share/zsh/vendor-completions/_relay-broker",
    ] {
        assert!(machine.path(path).is_file(), "{path}");
    }
    let checked = ["facilitator", "check", "--config", "/etc/tollwire/facilitator.toml"];
    run(machine.command(&checked).env("TOLLWIRE_ADMIN_TOKEN", "any")).await;

    // The operator makes it theirs: other ports, and a feed.
    let (public, admin) = (free_port().unwrap(), free_port().unwrap());
    let config = machine.read("etc/tollwire/facilitator.toml");
    let config =
        config.replace("4020", &public.to_string()).replace("127.0.0.1:4021", &format!("127.0.0.1:{admin}"));
    let feed = "[[feed]]\nid = \"ticks\"\nupstream = \"ws://127.0.0.1:9/\"\nprice = \"0.01\"\n";
    std::fs::write(machine.path("etc/tollwire/facilitator.toml"), format!("{config}\n{feed}")).unwrap();

    let mut node = machine.serve().await;
    let shop = format!("http://127.0.0.1:{public}/feeds/ticks/session");
    for _ in 0..3 {
        assert_eq!(Agent::new().buy(&shop, 100_000).await.status, 200);
    }
    let bought = sessions(&machine, admin).await;
    assert_eq!(bought.len(), 3);
    node.kill().await.unwrap();

    let secrets =
        (machine.read("etc/tollwire/facilitator.env"), machine.read("var/lib/tollwire/session-key.pem"));
    machine.install(&second).await;
    let kept =
        (machine.read("etc/tollwire/facilitator.env"), machine.read("var/lib/tollwire/session-key.pem"));
    assert_eq!(secrets, kept, "an upgrade replaces no key and no token");
    let mut node = machine.serve().await;
    assert_eq!(sessions(&machine, admin).await, bought, "after kill -9 and an upgrade");
    node.signal("TERM").await.unwrap();
    assert!(node.exit(Duration::from_secs(60)).await.unwrap().success());
    let _again = machine.serve().await;
    assert_eq!(sessions(&machine, admin).await, bought, "after a restart");

    run(&mut machine.command(&["dpkg", "--purge", "tollwire"])).await;
    assert!(machine.path("var/lib/tollwire/facilitator.db").is_file(), "the ledger is money");
    assert!(
        !machine.path("etc/tollwire/facilitator.env").exists()
            && !machine.path("usr/bin/facilitator").exists()
    );
}
