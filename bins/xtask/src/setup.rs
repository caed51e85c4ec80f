//! What the tests need and a fresh machine may lack.

use crate::command::{exists, run, workspace};
use crate::{readers, sdks};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Redis, an EVM node, a Solana node, the official x402 clients, a clock that can be stepped, a browser, Prometheus, buildah,
/// HAProxy, the languages of the SDKs.
pub(crate) fn for_tests() -> Result<(), String> {
    debian(&[
        ("redis-server", "redis-server"),
        ("npm", "npm"),
        ("python3", "python3-venv"),
        ("faketime", "faketime"),
        ("promtool", "prometheus"),
        ("haproxy", "haproxy"),
        ("chromium", "chromium"),
        ("mmdebstrap", "mmdebstrap"),
        ("buildah", "buildah"),
        ("strip", "binutils"),
    ])?;
    node()?;
    usdc()?;
    python(&workspace().join("crates/testkit/python/requirements.txt"), &tools().join("venv"))?;
    readers::packages()?;
    clean_debian()?;
    for_sdks()
}

/// The languages of the SDKs, and what their tests take from npm and PyPI.
pub(crate) fn for_sdks() -> Result<(), String> {
    debian(&[("npm", "npm"), ("python3", "python3-venv"), ("go", "golang-go")])?;
    python(&sdks::folder("python").join("requirements-dev.txt"), &tools().join("sdk-python"))?;
    let folder = sdks::folder("typescript");
    let lock = [folder.join("package.json"), folder.join("package-lock.json")];
    let modules = folder.join("node_modules");
    if !is_current(&modules, &lock)? {
        println!("installing npm packages into {}", modules.display());
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder))?;
        mark_current(&modules, &lock)?;
    }
    sdks::build(&tools())
}

/// The Python that the SDK's tests run with.
pub(crate) fn python_of_sdks() -> PathBuf {
    tools().join("sdk-python/bin/python")
}

/// nginx, HAProxy and `nats-server`.
pub(crate) fn for_benches() -> Result<(), String> {
    debian(&[("nginx", "nginx-light"), ("haproxy", "haproxy"), ("nats-server", "nats-server")])
}

/// Where installed tools go.
pub(crate) fn tools() -> PathBuf {
    workspace().join("target/testkit")
}

/// Installs Debian packages whose programs are missing, or says which command would.
fn debian(programs: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !exists(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !exists("apt-get") || !(root || exists("sudo")) {
        return Err(format!(
            "missing: {}. Install them (on Debian: sudo {install}), then run this again",
            missing.join(", ")
        ));
    }
    println!("installing Debian packages: {}", missing.join(" "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            apt.args(["-n", "apt-get"]);
        }
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(&mut apt(&["update", "-qq"]))?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(missing);
    run(&mut apt(&arguments)).map_err(|error| format!("{error}; install by hand: sudo {install}"))
}

/// A clean Debian that packages are installed into.
fn clean_debian() -> Result<(), String> {
    let to = tools().join("debian.tar");
    if to.is_file() {
        return Ok(());
    }
    println!("making a clean Debian in {}", to.display());
    let half = tools().join("debian.tar.half");
    let mut make = Command::new("mmdebstrap");
    make.args([
        "--quiet",
        "--format=tar",
        "--variant=minbase",
        "--include=adduser,ca-certificates",
        "bookworm",
    ]);
    run(make.arg(&half))?;
    fs::rename(&half, &to).map_err(|error| error.to_string())
}

/// npm packages, pinned by the lock file in crates/testkit/node.
fn node() -> Result<(), String> {
    let (from, to) = (workspace().join("crates/testkit/node"), tools().join("node"));
    if is_current(&to, &[from.join("package.json"), from.join("package-lock.json")])? {
        return Ok(());
    }
    println!("installing npm packages into {}", to.display());
    fresh(&to)?;
    copy(&from.join("package.json"), &to)?;
    copy(&from.join("package-lock.json"), &to)?;
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&to))?;
    mark_current(&to, &[from.join("package.json"), from.join("package-lock.json")])
}

/// Circle's USDC contract, as three artifacts of one npm tarball whose own dependencies nobody here needs.
fn usdc() -> Result<(), String> {
    const PACKAGE: &str = "@stargatefinance/stg-evm-v2@2.0.6";
    const INTEGRITY: &str =
        "sha512-62PAwn7u+r0F1DGE6AmQxI/HDwajzayVyE3CylEswb9JRtY+taESA1Wqn6zKixJGAa0AitieUSNSVIiiGTfluw==";
    const ARTIFACTS: [&str; 3] = [
        "package/artifacts/src/usdc/impl/v2/FiatTokenV2_2.sol/FiatTokenV2_2.json",
        "package/artifacts/src/usdc/impl/v1/FiatTokenProxy.sol/FiatTokenProxy.json",
        "package/artifacts/src/usdc/impl/util/SignatureChecker.sol/SignatureChecker.json",
    ];
    let to = tools().join("usdc");
    let artifact = |path: &str| to.join(Path::new(path).file_name().unwrap_or_default());
    if ARTIFACTS.iter().all(|path| artifact(path).is_file()) {
        return Ok(());
    }
    println!("downloading the USDC contract ({PACKAGE}) into {}", to.display());
    fresh(&to)?;
    let packed = Command::new("npm").args(["pack", "--json", PACKAGE]).current_dir(&to).output();
    let packed = packed.map_err(|error| format!("npm pack: {error}"))?;
    if !String::from_utf8_lossy(&packed.stdout).contains(INTEGRITY) {
        let problem = String::from_utf8_lossy(&packed.stderr).into_owned();
        return Err(format!("npm pack {PACKAGE}: not the tarball that is pinned here\n{problem}"));
    }
    let tarball = fs::read_dir(&to)
        .map_err(|error| error.to_string())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or("npm pack left no tarball")?;
    run(Command::new("tar").arg("-xzf").arg(&tarball).args(ARTIFACTS).current_dir(&to))?;
    for path in ARTIFACTS {
        fs::rename(to.join(path), artifact(path)).map_err(|error| format!("{path}: {error}"))?;
    }
    fs::remove_file(&tarball).map_err(|error| error.to_string())?;
    fs::remove_dir_all(to.join("package")).map_err(|error| error.to_string())
}

/// PyPI packages, pinned by a file of requirements, in an environment of their own.
fn python(requirements: &Path, to: &Path) -> Result<(), String> {
    let from = [requirements.to_path_buf()];
    if is_current(to, &from)? {
        return Ok(());
    }
    println!("installing PyPI packages into {}", to.display());
    fresh(to)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(to))?;
    run(Command::new(to.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements))?;
    mark_current(to, &from)
}

/// Whether a folder was installed from exactly these files.
pub(crate) fn is_current(folder: &Path, from: &[PathBuf]) -> Result<bool, String> {
    let wanted = joined(from)?;
    Ok(fs::read_to_string(folder.join(".installed-from")).is_ok_and(|installed| installed == wanted))
}

pub(crate) fn mark_current(folder: &Path, from: &[PathBuf]) -> Result<(), String> {
    fs::write(folder.join(".installed-from"), joined(from)?).map_err(|error| error.to_string())
}

fn joined(files: &[PathBuf]) -> Result<String, String> {
    files
        .iter()
        .map(|file| fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display())))
        .collect()
}

pub(crate) fn fresh(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

pub(crate) fn copy(file: &Path, folder: &Path) -> Result<(), String> {
    let name = file.file_name().unwrap_or_default();
    fs::copy(file, folder.join(name)).map(drop).map_err(|error| format!("{}: {error}", file.display()))
}
