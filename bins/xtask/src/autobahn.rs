//! The Autobahn test suite. Its last release runs on CPython 2.7 alone, with what PyPI still has for that.

use crate::command::{run, workspace};
use crate::setup::{copy, fresh, is_current, mark_current, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs it if it is missing; `false` if there is no interpreter for it.
pub(crate) fn install() -> Result<bool, String> {
    let pins = workspace().join("crates/testkit/autobahn");
    let lists = ["bootstrap.txt", "build.txt", "requirements.txt", "suite.txt"].map(|name| pins.join(name));
    let to = tools().join("autobahn");
    if is_current(&to, &lists)? {
        return Ok(true);
    }
    let Some(interpreter) = interpreter() else { return Ok(false) };
    println!("installing the Autobahn test suite into {}", to.display());
    fresh(&to)?;
    let [bootstrap, build, requirements, suite] = &lists;
    for list in &lists {
        copy(list, &to)?;
    }
    // The last virtualenv that can make an environment of Python 2.7 runs on Python 3.
    let helper = to.join("helper");
    run(Command::new("python3").args(["-m", "venv"]).arg(&helper))?;
    pip(&helper, bootstrap, &[])?;
    let py27 = to.join("py27");
    run(Command::new(helper.join("bin/python"))
        .args(["-m", "virtualenv", "--quiet", "--python"])
        .arg(interpreter)
        .arg(&py27))?;
    pip(&py27, build, &[])?;
    pip(&py27, requirements, &["--no-build-isolation"])?;
    pip(&py27, suite, &["--no-build-isolation", "--no-deps"])?;
    mark_current(&to, &lists)?;
    Ok(true)
}

fn pip(environment: &Path, list: &Path, more: &[&str]) -> Result<(), String> {
    run(Command::new(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(more)
        .arg("--requirement")
        .arg(list)
        // A machine's own settings are for another pip.
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env_remove("PIP_FIND_LINKS"))
}

/// A CPython 2.7 that runs.
fn interpreter() -> Option<PathBuf> {
    let named = std::env::var_os("PY27").map(PathBuf::from);
    let pyenv =
        std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv/versions/2.7.18/bin/python2.7"));
    let candidates = named.into_iter().chain([PathBuf::from("python2.7")]).chain(pyenv);
    candidates.into_iter().find(|python| {
        let version =
            Command::new(python).args(["-c", "import sys; print(sys.version_info[:2] == (2, 7))"]).output();
        version.is_ok_and(|version| version.status.success() && version.stdout.starts_with(b"True"))
    })
}
