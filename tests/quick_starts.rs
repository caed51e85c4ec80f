//! The quick starts, run start to finish as their readers would: every `sh` block, in order, in one shell, in an empty folder,
//! with the binaries of this build.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tollwire_testkit::tools::workspace;
use tollwire_tests::facilitator::binary;

/// "Under five minutes each after the build."
const PATIENCE: Duration = Duration::from_secs(300);

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
    symlink(workspace().join("sdks"), clone.join("sdks")).unwrap();
    symlink(binary().parent().unwrap(), clone.join("target/release")).unwrap();
    home
}

/// Runs a document's commands in an empty folder; what they printed.
async fn run(document: &str, folder: &Path) -> String {
    let home = home();
    let mut bash = Command::new("bash");
    bash.args(["-c", &commands(document)]).current_dir(folder).env("HOME", home.path()).kill_on_drop(true);
    // Go keeps what it built outside of the home that is not its user's.
    bash.env("GOCACHE", std::env::temp_dir().join("tollwire-go-cache"));
    let output = tokio::time::timeout(PATIENCE, bash.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[tokio::test]
async fn a_provider_sells_a_feed() {
    let folder = tempfile::tempdir().unwrap();
    let told = run("quick-start-provider.md", folder.path()).await;
    for text in [
        "402\n",
        r#""code":"missing""#,
        r#""code":"malformed""#,
        "{\"tick\":1}\n{\"tick\":2}\n{\"tick\":3}\n",
        " for $0.10\n",
        " opens ticks\n",
    ] {
        assert!(told.contains(text), "{text}\n{told}");
    }
}
