//! One line per rule, and what they come to.

use std::fmt::Display;
use std::io::Write as _;

/// A section of the specification.
pub(crate) type Section = &'static str;

pub(crate) const REQUIRED: Section = "Payment Required Signaling";
pub(crate) const PAYLOAD: Section = "Payment Payload Transmission";
pub(crate) const DELIVERY: Section = "Settlement Response Delivery";
pub(crate) const ERRORS: Section = "Error Handling";

/// What became of a rule: kept, or how it was broken.
pub(crate) type Kept = Result<(), String>;

/// Counts and prints.
#[derive(Debug, Default)]
pub(crate) struct Report {
    kept: u32,
    broken: u32,
    skipped: u32,
}

impl Report {
    /// Prints what became of a rule.
    pub(crate) fn rule(&mut self, section: Section, rule: &str, kept: Kept) {
        match kept {
            Ok(()) => {
                self.kept = self.kept.saturating_add(1);
                line(format!("pass  {section:<30}  {rule}"));
            }
            Err(why) => {
                self.broken = self.broken.saturating_add(1);
                line(format!("fail  {section:<30}  {rule}\n        {}", shortened(&why)));
            }
        }
    }

    /// Prints that a rule could not be looked at.
    pub(crate) fn skip(&mut self, section: Section, rule: &str, why: impl Display) {
        self.skipped = self.skipped.saturating_add(1);
        line(format!("n/a   {section:<30}  {rule}\n        {why}"));
    }

    /// Prints the sum; whether no rule was broken.
    pub(crate) fn end(&self, spent: impl Display) -> bool {
        let Self { kept, broken, skipped } = self;
        line(format!("\n{kept} passed, {broken} failed, {skipped} not applicable; spent {spent}"));
        self.broken == 0
    }
}

/// A condition, and what to say if it is not met.
pub(crate) fn must(condition: bool, otherwise: impl Display) -> Kept {
    if condition { Ok(()) } else { Err(otherwise.to_string()) }
}

/// A line of output. A closed pipe is not our problem.
pub(crate) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Servers may say more than fits a line.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
