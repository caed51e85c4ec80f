//! The comparison with nginx, HAProxy, `nats-server` and plain servers of tungstenite's.

use crate::{command, setup};
use std::process::Command;

/// Builds for release and prints the table.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    setup::for_benches()?;
    command::run(command::cargo().args([
        "build",
        "--locked",
        "--release",
        "--package",
        "facilitator",
        "--package",
        "relay-broker",
        "--package",
        "tollwire-benches",
    ]))?;
    // What was just built, with the features that these packages ask for together; `cargo run` would build it all again
    // with those of one.
    let folder = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let target = folder.ancestors().nth(2).ok_or("xtask does not run from a target folder")?;
    let wanted = arguments.first().filter(|name| !name.starts_with("--"));
    if wanted.is_none_or(|name| name == "all" || name == "facilitators") {
        let manifest = "benches/rivals/x402-rs/Cargo.toml";
        let build = ["build", "--locked", "--release", "--manifest-path", manifest, "--target-dir"];
        command::run(command::cargo().args(build).arg(target.join("rivals")))?;
    }
    command::run(
        Command::new(target.join("release/tollwire-benches"))
            .current_dir(command::workspace())
            .args(arguments),
    )
}
