//! The SDKs of the other languages: their tests, the vectors that all languages share, and what a token costs.

use crate::{command, setup};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A language and its commands: the shared vectors, all of its own tests, what a token costs.
struct Language {
    name: &'static str,
    vectors: fn() -> Command,
    test: fn() -> Command,
    bench: fn() -> Command,
}

const LANGUAGES: [Language; 3] = [
    Language { name: "typescript", vectors: || npm("vectors"), test: || npm("test"), bench: || npm("bench") },
    Language {
        name: "python",
        vectors: || python(&["tests/test_vectors.py"]),
        test: || python(&["-m", "pytest", "-q", "-p", "no:cacheprovider"]),
        bench: || python(&["bench/verify.py"]),
    },
    Language {
        name: "go",
        vectors: || go(&["-run", "TestVectors", "-v", "."]),
        test: || go(&["./..."]),
        bench: || go(&["-tags", "cost", "-run", "TestCost", "-v", "."]),
    },
];

/// `cargo xtask sdks`: every language, Rust first. `bench` as its argument: what a token costs.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => {
            setup::for_sdks()?;
            agree([("rust", rust())].into_iter().chain(others()))
        }
        [what] if what == "bench" => {
            setup::for_sdks()?;
            command::run(&mut rust_bench())?;
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
    disagree.dedup();
    if disagree.is_empty() {
        println!("all languages agree");
        Ok(())
    } else {
        Err(format!("these languages disagree with the vectors or fail their tests: {}", disagree.join(", ")))
    }
}

fn others() -> impl Iterator<Item = (&'static str, Command)> {
    let commands = |language: &Language| [(language.vectors)(), (language.test)()];
    LANGUAGES.iter().flat_map(move |language| commands(language).map(|command| (language.name, command)))
}

/// With the features of the whole workspace, as everything else is built.
fn rust() -> Command {
    let mut cargo = command::cargo();
    cargo.args(["test", "--locked", "--workspace", "--test", "vectors"]);
    cargo
}

/// Rust's own cost. It stands in the crate that alone may see its library.
fn rust_bench() -> Command {
    let mut cargo = command::cargo();
    cargo.args(["bench", "--locked", "--workspace", "--bench", "verify"]);
    cargo
}

fn npm(script: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder("typescript")).args(["run", "--silent", script]);
    npm
}

fn python(arguments: &[&str]) -> Command {
    let mut python = Command::new(setup::python_of_sdks());
    python.current_dir(folder("python")).env("PYTHONPATH", "src").arg("-B").args(arguments);
    python
}

fn go(arguments: &[&str]) -> Command {
    let mut go = go_command();
    go.args(["test", "-count=1"]).args(arguments);
    go
}

/// It needs no module but its own: nothing is fetched.
fn go_command() -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder("go")).env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    go
}

/// Builds what the whole-system tests start: the TypeScript package, and into `to` the Go provider.
pub(crate) fn build(to: &Path) -> Result<(), String> {
    command::run(&mut npm("build"))?;
    command::run(
        go_command().args(["build", "-o"]).arg(to.join("sdk-go-provider")).arg("./examples/provider"),
    )
}

/// Where a language's SDK lies.
pub(crate) fn folder(language: &str) -> PathBuf {
    command::workspace().join("sdks").join(language)
}
