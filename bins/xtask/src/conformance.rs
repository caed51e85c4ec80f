//! RFC 6455 by the reference suite.

use crate::{autobahn, command};

/// Installs the Autobahn suite and runs it against the broker's WebSockets and through the proxy. Where no interpreter for
/// it can be had it says so; that is an error only with `--required`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if !autobahn::install()? {
        let notice = "no CPython 2.7 (PY27, python2.7 or pyenv's 2.7.18) on this machine: RFC 6455 was NOT checked by Autobahn";
        println!("NOTICE: {notice}");
        return if arguments.iter().any(|argument| argument == "--required") {
            Err(notice.to_owned())
        } else {
            Ok(())
        };
    }
    command::run(command::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))?;
    command::run(command::cargo().args([
        "test",
        "--locked",
        "--workspace",
        "--test",
        "autobahn",
        "--",
        "--include-ignored",
    ]))
}
