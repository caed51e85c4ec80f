//! Images by buildah, in a store of the test's own: built from the container file, in the clean Debian of the package's test in
//! place of the one that a registry has.

use crate::made::run;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::Process;
use tollwire_testkit::tools;

/// What the container file begins with.
const BASE: &str = "docker.io/library/debian:bookworm-slim";

/// Where the image keeps what it has.
pub(crate) const VOLUME: &str = "/var/lib/tollwire";

/// What it makes.
const IMAGE: &str = "localhost/tollwire";

/// A store of images, with a container of the one that was built.
pub(crate) struct Images {
    folder: TempDir,
    container: String,
}

/// A running container.
pub(crate) struct Running {
    /// buildah, which ends when the container's program has ended, and with its code.
    pub(crate) process: Process,
    /// That program's process.
    pub(crate) id: u32,
}

impl Drop for Running {
    /// buildah's end is not that of its program.
    fn drop(&mut self) {
        if self.process.id().is_some() {
            drop(std::process::Command::new("kill").args(["-9", &self.id.to_string()]).status());
        }
    }
}

impl Images {
    /// Builds the image of a folder that has a package and a container file.
    pub(crate) async fn build(context: &Path) -> Self {
        let mut images = Self { folder: tempfile::tempdir().unwrap(), container: String::new() };
        // Nothing is pulled, so nothing is trusted either.
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        std::fs::write(images.folder.path().join("policy.json"), policy).unwrap();
        let root = run(images.buildah("from").arg("scratch")).await;
        run(images.buildah("add").args(["--quiet", root.trim()]).arg(tools::debian().unwrap()).arg("/"))
            .await;
        run(images.buildah("commit").args(["--quiet", "--rm", root.trim(), BASE])).await;
        let mut build = images.buildah("build");
        build.args(["--quiet", "--pull-never", "--tag", IMAGE, "--file"]).arg(context.join("Containerfile"));
        run(build.arg(context)).await;
        let container = run(images.buildah("from").args(["--pull-never", IMAGE])).await;
        container.trim().clone_into(&mut images.container);
        // In a chroot, buildah mounts a volume that an image declares and one that is given for the same place in either
        // order; whatever else runs images prefers the given one.
        let declared = format!("{VOLUME}-");
        run(images.buildah("config").args(["--volume", &declared, &images.container])).await;
        images
    }

    fn buildah(&self, verb: &str) -> Command {
        let place = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("buildah");
        // Where containers may not be nested there is still chroot.
        command.env("BUILDAH_ISOLATION", "chroot").args(["--storage-driver", "vfs"]);
        command.arg("--root").arg(place("images")).arg("--runroot").arg(place("run"));
        command.arg(verb);
        if matches!(verb, "from" | "commit" | "build") {
            command.arg("--signature-policy").arg(place("policy.json"));
        }
        command
    }

    /// What the image says of itself: its user, its program, its volumes.
    pub(crate) async fn config(&self) -> Value {
        let text = run(self.buildah("inspect").args(["--type", "image", IMAGE])).await;
        let whole: Value = serde_json::from_str(&text).unwrap();
        whole["OCIv1"]["config"].clone()
    }

    /// As its user, with these options; what it printed.
    pub(crate) async fn run(&self, options: &[String], program: &[&str]) -> String {
        run(self.buildah("run").args(options).arg(&self.container).arg("--").args(program)).await
    }

    /// The same, until it says that it listens.
    pub(crate) async fn start(&self, options: &[String], program: &[&str], listening: &str) -> Running {
        let mut command = self.buildah("run");
        command.args(options).arg(&self.container).arg("--").args(program);
        let mut process = Process::spawn(command).unwrap();
        process.wait_for_line(listening, Duration::from_secs(60)).await.unwrap();
        let id = descendant(process.id().unwrap(), program[0]).unwrap();
        Running { process, id }
    }
}

/// The process below this one that runs a program.
fn descendant(of: u32, program: &str) -> Option<u32> {
    let children = std::fs::read_dir(format!("/proc/{of}/task"))
        .ok()?
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.into_iter().find_map(|child| {
        let line = std::fs::read(format!("/proc/{child}/cmdline")).ok()?;
        let is_it = line.split(|byte| *byte == 0).next() == Some(program.as_bytes());
        if is_it { Some(child) } else { descendant(child, program) }
    })
}

/// What a process may do: its user and its capabilities, as the kernel has them.
pub(crate) fn rights(id: u32) -> (String, u64) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    (field("Uid:"), u64::from_str_radix(&field("CapEff:"), 16).unwrap())
}
