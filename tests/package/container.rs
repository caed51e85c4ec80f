//! The container image: of the same package, without a secret in it, run as a user without rights; what it has is in its volume.

use crate::image::{Images, Running, VOLUME, rights};
use crate::made::{Made, run};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::free_port;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::ADMIN_TOKEN;
use tollwire_tests::http::get;

/// What the operator of a container has outside of it.
struct Operator {
    folder: TempDir,
    public: u16,
    admin: u16,
}

impl Operator {
    /// A volume for the user of the image, and a configuration with a feed.
    async fn new(images: &Images) -> Self {
        let operator = Self {
            folder: tempfile::tempdir().unwrap(),
            public: free_port().unwrap(),
            admin: free_port().unwrap(),
        };
        let (data, root) = (operator.data(), operator.folder.path());
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(&data).unwrap();
        let owner = images.run(&[], &["stat", "-c", "%u:%g", VOLUME]).await;
        run(Command::new("chown").arg(owner.trim()).arg(&data)).await;
        let packaged = std::fs::read_to_string(
            tollwire_testkit::tools::workspace().join("bins/xtask/package/facilitator.toml"),
        );
        let ours = packaged
            .unwrap()
            .replace(":4020", &format!(":{}", operator.public))
            .replace(":4021", &format!(":{}", operator.admin));
        let feed = "[[feed]]\nid = \"ticks\"\nupstream = \"ws://127.0.0.1:9/\"\nprice = \"0.01\"\n";
        std::fs::write(root.join("facilitator.toml"), format!("{ours}\n{feed}")).unwrap();
        operator
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Of `podman run`, and of `buildah run`.
    fn options(&self) -> Vec<String> {
        let volume = |from: &Path, to: &str| format!("--volume={}:{to}", from.display());
        vec![
            volume(&self.data(), VOLUME),
            volume(&self.folder.path().join("facilitator.toml"), "/etc/tollwire/facilitator.toml:ro"),
            format!("--env=TOLLWIRE_ADMIN_TOKEN={ADMIN_TOKEN}"),
        ]
    }

    /// Starts what the image starts.
    async fn start(&self, images: &Images, config: &Value) -> Running {
        let program: Vec<&str> = ["Entrypoint", "Cmd"]
            .iter()
            .flat_map(|part| config[part].as_array().unwrap())
            .map(|word| word.as_str().unwrap())
            .collect();
        images.start(&self.options(), &program, "Facilitator listening").await
    }

    async fn sessions(&self) -> Vec<Value> {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let url = format!("http://127.0.0.1:{}/admin/sessions", self.admin);
        let answer = get(&url, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["sessions"].as_array().unwrap().clone()
    }
}

/// Sends a container's program its stop signal; it must end by itself, and well.
async fn stop(mut running: Running, config: &Value) {
    let signal = config["StopSignal"].as_str().unwrap().trim_start_matches("SIG");
    run(Command::new("kill").args(["-s", signal, &running.id.to_string()])).await;
    let status = running.process.exit(Duration::from_secs(60)).await.unwrap();
    let said = running.process.lines().join("\n");
    assert!(status.success() && said.contains("draining") && said.contains("stopped"), "{status}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_serves_as_nobody_and_keeps_what_it_has_in_its_volume() {
    let images = Images::build(Made::get().await.context()).await;
    let config = images.config().await;
    assert_eq!((&config["User"], &config["StopSignal"]), (&json!("tollwire"), &json!("SIGTERM")), "{config}");
    assert!(config["Volumes"].get(VOLUME).is_some(), "{config}");
    let secrets = images.run(&[], &["find", "/var/lib/tollwire", "/etc/tollwire", "-type", "f"]).await;
    let mut secrets: Vec<&str> = secrets.lines().collect();
    secrets.sort_unstable();
    let shipped = ["/etc/tollwire/facilitator.toml", "/etc/tollwire/relay-broker.toml"];
    assert_eq!(secrets, shipped, "every container has keys of its own");
    let version = images.run(&[], &["relay-broker", "--version"]).await;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");

    let operator = Operator::new(&images).await;
    let key = "/var/lib/tollwire/session-key.pem";
    images.run(&operator.options(), &["/usr/bin/facilitator", "keys", "new", "--out", key]).await;
    let kept = std::fs::metadata(operator.data().join("session-key.pem")).unwrap();
    assert!(kept.uid() != 0 && kept.mode() & 0o777 == 0o600, "{} {:o}", kept.uid(), kept.mode());

    let running = operator.start(&images, &config).await;
    let (user, capabilities) = rights(running.id);
    assert_eq!((user == "0", capabilities), (false, 0), "a user without rights");
    assert_eq!(user, kept.uid().to_string());
    let health = get(&format!("http://127.0.0.1:{}/healthz", operator.admin), &[]).await;
    assert_eq!((health.status.as_u16(), health.json()["status"].as_str()), (200, Some("ok")));
    let shop = format!("http://127.0.0.1:{}/feeds/ticks/session", operator.public);
    assert_eq!(Agent::new().buy(&shop, 100_000).await.status, 200);
    let bought = operator.sessions().await;
    assert_eq!(bought.len(), 1);
    stop(running, &config).await;

    let running = operator.start(&images, &config).await;
    assert_eq!(operator.sessions().await, bought, "after a restart, by its volume");
    stop(running, &config).await;
}
