//! The comparison with nginx, HAProxy and a plain tungstenite proxy.

use crate::{command, setup};
use std::process::Command;

/// Builds for release and prints the table.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    setup::for_benches()?;
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(command::workspace());
        cargo
    };
    command::run(cargo().args([
        "build",
        "--locked",
        "--release",
        "--package",
        "facilitator",
        "--package",
        "tollwire-benches",
    ]))?;
    command::run(
        cargo().args(["run", "--locked", "--release", "--package", "tollwire-benches", "--"]).args(arguments),
    )
}
