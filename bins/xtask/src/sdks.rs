//! The SDKs of the other languages: their tests, the vectors that all languages share, and what a token costs.

use crate::{command, setup};
use std::path::PathBuf;
use std::process::Command;

/// A language, its command for everything it tests, and the one for its benchmark.
struct Language {
    name: &'static str,
    test: fn() -> Command,
    bench: fn() -> Command,
}

const LANGUAGES: [Language; 1] =
    [Language { name: "typescript", test: || npm("test"), bench: || npm("bench") }];

/// `cargo xtask sdks`: every language, Rust first. `bench` as its argument: what a token costs.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => {
            setup::for_sdks()?;
            agree([("rust", rust())].into_iter().chain(others()))
        }
        [what] if what == "bench" => {
            setup::for_sdks()?;
            LANGUAGES.iter().try_for_each(|language| command::run(&mut (language.bench)()))
        }
        _ => Err("sdks takes no argument, or `bench`".to_owned()),
    }
}

/// The languages other than Rust, whose own tests have run by then, as has the setup.
pub(crate) fn test() -> Result<(), String> {
    agree(others())
}

/// Runs all, whatever one says; an error names the languages that disagree.
fn agree(commands: impl Iterator<Item = (&'static str, Command)>) -> Result<(), String> {
    let mut disagree = Vec::new();
    for (language, mut command) in commands {
        if let Err(problem) = command::run(&mut command) {
            println!("{language} DISAGREES: {problem}");
            disagree.push(language);
        }
    }
    if disagree.is_empty() {
        println!("all languages agree");
        Ok(())
    } else {
        Err(format!("these languages disagree with the vectors or fail their tests: {}", disagree.join(", ")))
    }
}

fn others() -> impl Iterator<Item = (&'static str, Command)> {
    LANGUAGES.iter().map(|language| (language.name, (language.test)()))
}

/// With the features of the whole workspace, as everything else is built.
fn rust() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(command::workspace());
    cargo.args(["test", "--locked", "--workspace", "--test", "vectors"]);
    cargo
}

fn npm(script: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder("typescript")).args(["run", "--silent", script]);
    npm
}

/// Where a language's SDK lies.
pub(crate) fn folder(language: &str) -> PathBuf {
    command::workspace().join("sdks").join(language)
}
