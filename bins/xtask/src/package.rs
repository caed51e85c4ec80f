//! The Debian package of the binaries, and the container file that installs it.

use crate::command::{cargo, run, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is packaged.
const BINARIES: [&str; 3] = ["facilitator", "relay-broker", "tollwire"];

/// Those of them that are services.
const SERVICES: [&str; 2] = ["facilitator", "relay-broker"];

/// Completion scripts, by shell: where they lie and what they are called.
const SHELLS: [(&str, &str, &str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions", "", ""),
    ("zsh", "usr/share/zsh/vendor-completions", "_", ""),
    ("fish", "usr/share/fish/vendor_completions.d", "", ".fish"),
];

/// `package [--binaries FOLDER] [--out FOLDER] [--revision N] [--compress xz|gzip|none]`: builds the release binaries, unless a folder has them,
/// and packs them into `target/package`.
pub(crate) fn package(arguments: &[String]) -> Result<(), String> {
    let given = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place.saturating_add(1)).cloned()
    };
    let binaries = match given("--binaries") {
        Some(folder) => PathBuf::from(folder),
        None => built()?,
    };
    let out = given("--out").map_or_else(|| workspace().join("target/package"), PathBuf::from);
    let revision = given("--revision").unwrap_or_else(|| "1".to_owned());
    let root = out.join("root");
    if root.exists() {
        fs::remove_dir_all(&root).map_err(|error| error.to_string())?;
    }
    for binary in BINARIES {
        put(&root, &format!("usr/bin/{binary}"), &read(&binaries.join(binary))?, 0o755)?;
        manual(&root, binary)?;
    }
    for service in SERVICES {
        let (unit, config) = (format!("{service}.service"), format!("{service}.toml"));
        put(&root, &format!("lib/systemd/system/{unit}"), &source(&unit)?, 0o644)?;
        put(&root, &format!("etc/tollwire/{config}"), &source(&config)?, 0o644)?;
    }
    for page in ["configuration.md", "relay-broker.md", "facilitator.md"] {
        let text = read(&workspace().join("docs").join(page))?;
        put(&root, &format!("usr/share/doc/tollwire/{page}"), &text, 0o644)?;
    }
    put(&root, "usr/share/doc/tollwire/copyright", &licences()?, 0o644)?;
    control(&root, &revision)?;
    let name = format!("tollwire_{}-{revision}_{}.deb", env!("CARGO_PKG_VERSION"), architecture());
    let compress = format!("-Z{}", given("--compress").unwrap_or_else(|| "xz".to_owned()));
    run(Command::new("dpkg-deb")
        .args(["--build", "--root-owner-group", &compress])
        .arg(&root)
        .arg(out.join(&name)))?;
    fs::write(out.join("Containerfile"), source("Containerfile")?).map_err(|error| error.to_string())?;
    println!("{}", out.join(name).display());
    Ok(())
}

/// Builds the release binaries; the folder that has them.
fn built() -> Result<PathBuf, String> {
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--locked"]);
    run(cargo.args(BINARIES.iter().flat_map(|binary| ["--package", binary])))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    Ok(target.join("release"))
}

/// The manual pages and completion scripts that a binary writes of itself.
fn manual(root: &Path, binary: &str) -> Result<(), String> {
    let program = root.join("usr/bin").join(binary);
    let pages = root.join("usr/share/man/man1");
    run(Command::new(&program).args(["manual", "--out"]).arg(&pages))?;
    for (shell, folder, before, after) in SHELLS {
        let script = Command::new(&program).args(["completions", shell]).output();
        let script = script.map_err(|error| format!("{binary} completions {shell}: {error}"))?;
        if !script.status.success() || script.stdout.is_empty() {
            return Err(format!("{binary} completions {shell} printed nothing"));
        }
        put(root, &format!("{folder}/{before}{binary}{after}"), &script.stdout, 0o644)?;
    }
    Ok(())
}

/// What dpkg reads of the package itself.
fn control(root: &Path, revision: &str) -> Result<(), String> {
    let control = format!(
        "Package: tollwire\nVersion: {}-{revision}\nArchitecture: {}\nMaintainer: {} <packages@tollwire.invalid>\n\
         Section: net\nPriority: optional\nDepends: adduser, libc6, libgcc-s1\nRecommends: ca-certificates\n\
         Homepage: {}\nDescription: sells live WebSocket feeds and API calls over x402\n\
         \x20The facilitator sells access to WebSocket feeds in USDC, and settles for other x402 servers; the\n\
         \x20relay-broker carries API calls and messages between apps and agents; tollwire is the agent's command.\n",
        env!("CARGO_PKG_VERSION"),
        architecture(),
        env!("CARGO_PKG_AUTHORS"),
        env!("CARGO_PKG_REPOSITORY"),
    );
    put(root, "DEBIAN/control", control.as_bytes(), 0o644)?;
    let kept = SERVICES.map(|service| format!("/etc/tollwire/{service}.toml\n")).concat();
    put(root, "DEBIAN/conffiles", kept.as_bytes(), 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        put(root, &format!("DEBIAN/{script}"), &source(script)?, 0o755)?;
    }
    Ok(())
}

fn licences() -> Result<Vec<u8>, String> {
    let texts = ["LICENSE-MIT", "LICENSE-APACHE"].map(|name| read(&workspace().join(name)));
    Ok(texts.into_iter().collect::<Result<Vec<_>, _>>()?.join(&b"\n\n"[..]))
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn source(name: &str) -> Result<Vec<u8>, String> {
    read(&workspace().join("bins/xtask/package").join(name))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file below a folder.
fn put(root: &Path, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
    let path = root.join(path);
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(root)).map_err(fail)?;
    fs::write(&path, content).map_err(fail)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(fail)
}
