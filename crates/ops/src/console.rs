//! What commands say to the person who typed them: standard output for results, standard error for problems.

use std::fmt::Display;
use std::io::Write as _;

/// One line of a result. A closed pipe is not our problem.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Something that is allowed but probably not meant.
pub fn warning(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "warning: {text}"));
}

/// What went wrong.
pub fn problem(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "error: {text}"));
}
