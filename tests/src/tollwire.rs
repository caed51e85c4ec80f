//! The `tollwire` binary as a process under test.

use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;
use tollwire_testkit::process::Process;

/// The binary, built by `cargo xtask test` (or `cargo build`).
pub fn binary() -> PathBuf {
    let path = crate::facilitator::binary().with_file_name("tollwire");
    assert!(path.is_file(), "{} is missing: run `cargo build --bins` first", path.display());
    path
}

/// The command with these arguments; the wallet's key, if there is one, is in its environment.
fn command(arguments: &[&str], folder: &Path, key: Option<&str>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).env_remove("TOLLWIRE_KEY").kill_on_drop(true);
    if let Some(key) = key {
        command.env("TOLLWIRE_KEY", key);
    }
    command
}

/// A finished run: its exit code, standard output and standard error.
pub async fn run(arguments: &[&str], folder: &Path, key: Option<&str>) -> (i32, String, String) {
    let output = command(arguments, folder, key).output();
    let output: Output =
        tokio::time::timeout(std::time::Duration::from_secs(60), output).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A run under way.
pub fn start(arguments: &[&str], folder: &Path, key: Option<&str>) -> Process {
    Process::spawn(command(arguments, folder, key)).unwrap()
}
