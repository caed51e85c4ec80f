//! Programs in other languages that a test runs: JavaScript with the npm packages of the testkit, Python with its
//! PyPI packages. The files lie beside the tests, as plain programs that anybody could run.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::process::Process;
use tollwire_testkit::tools;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program with its environment, ready to run.
#[derive(Debug)]
pub struct Script {
    command: Command,
    // Node looks for packages beside the program, so it runs from a folder that has them.
    folder: TempDir,
    patience: Duration,
}

impl Script {
    /// A JavaScript module; `file` is its path below `tests/`, and modules beside it can be imported.
    pub fn node(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(tools::node_modules().unwrap(), folder.path().join("node_modules"))
            .unwrap();
        let file = below_tests(file);
        for beside in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            let path = beside.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "mjs") {
                std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let mut command = Command::new("node");
        command.arg(folder.path().join(file.file_name().unwrap()));
        Self { command, folder, patience: PATIENCE }.env("NODE_NO_WARNINGS", "1")
    }

    /// A Python program; `file` is its path below `tests/`.
    pub fn python(file: &str) -> Self {
        let mut command = Command::new(tools::python().unwrap());
        command.arg("-B").arg(below_tests(file));
        // A proxy of the machine's must not stand between the client and the facilitator.
        Self { command, folder: tempfile::tempdir().unwrap(), patience: PATIENCE }
            .env("NO_PROXY", "127.0.0.1")
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it more time than a minute.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end, which must be a success; gives what it printed, one JSON value.
    pub async fn result(mut self) -> Value {
        self.command.current_dir(self.folder.path()).kill_on_drop(true);
        let output = tokio::time::timeout(self.patience, self.command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}{problem}", output.status);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{problem}"))
    }

    /// Starts it as a server, which prints its port when it listens.
    pub async fn serve(mut self) -> Server {
        self.command.current_dir(self.folder.path());
        let mut process = Process::spawn(self.command).unwrap();
        let line = process.wait_for_line("listening on ", PATIENCE).await.unwrap();
        let port = line.rsplit(' ').next().unwrap().parse().unwrap();
        Server { port, process, _folder: self.folder }
    }
}

/// A running program; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Process,
    _folder: TempDir,
}

impl Server {
    /// Waits for a line it prints.
    pub async fn line(&mut self, text: &str) -> String {
        self.process.wait_for_line(text, PATIENCE).await.unwrap()
    }
}

fn below_tests(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
