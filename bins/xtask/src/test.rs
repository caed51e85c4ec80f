//! Every test, with the real parts they need.

use crate::{command, sdks, setup};

/// Installs what is missing, builds the binaries that the whole-system tests start, and runs every test; a run
/// that names tests of its own leaves the SDKs out.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    setup::for_tests()?;
    // All targets at once, so that binaries and tests share one build of every dependency.
    command::run(command::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))?;
    command::run(command::cargo().args(["test", "--locked", "--workspace"]).args(arguments))?;
    if arguments.is_empty() { sdks::test() } else { Ok(()) }
}
