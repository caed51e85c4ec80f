//! What readers of the quick starts install, fetched ahead: the tests run the same commands, and need no network.

use crate::command::{run, workspace};
use crate::setup::{fresh, tools};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The document whose readers install packages.
const DOCUMENT: &str = "docs/quick-start-agent.md";

/// Fetches what the document's `npm install` and `pip install` name, and what that needs.
pub(crate) fn packages() -> Result<(), String> {
    let text =
        fs::read_to_string(workspace().join(DOCUMENT)).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let (npm, pypi) = (after(&text, "npm install ")?, after(&text, "pip install ")?);
    let wanted = format!("{}\n{}\n", npm.join(" "), pypi.join(" "));
    let to = tools().join("quick-starts");
    let mark = to.join(".fetched");
    if fs::read_to_string(&mark).is_ok_and(|fetched| fetched == wanted) {
        return Ok(());
    }
    println!("fetching the packages of the quick starts into {}", to.display());
    fresh(&to)?;
    from_npm(&to, &npm)?;
    run(Command::new(tools().join("venv/bin/pip"))
        .args(["download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--dest"])
        .arg(to.join("wheels"))
        .args(pypi))?;
    fs::write(mark, wanted).map_err(|error| error.to_string())
}

/// npm keeps what it installed in its cache.
fn from_npm(to: &Path, packages: &[&str]) -> Result<(), String> {
    let once = to.join("once");
    fresh(&once)?;
    run(Command::new("npm")
        .args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--cache"])
        .arg(to.join("npm"))
        .args(packages)
        .current_dir(&once))?;
    fs::remove_dir_all(&once).map_err(|error| error.to_string())
}

/// The packages of the one line with this command: its words after it that are no options.
fn after<'a>(text: &'a str, command: &str) -> Result<Vec<&'a str>, String> {
    let line = text.lines().find_map(|line| Some(line.split_once(command)?.1));
    let line = line.ok_or_else(|| format!("{DOCUMENT} has no `{command}`"))?;
    let words = line.trim_end_matches(')').split(' ').filter(|word| !word.starts_with("--"));
    Ok(words.map(|word| word.trim_matches('\'')).collect())
}
