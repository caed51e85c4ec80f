//! Where the installed parts are. One folder for every build of this workspace: `target/testkit`, or
//! `TOLLWIRE_TESTKIT_DIR`.
//!
//! `node/` and `python/` beside this crate's sources pin what `cargo xtask setup` installs from npm and PyPI.

use crate::Error;
use std::path::{Path, PathBuf};

/// The folder everything is installed in.
pub fn home() -> PathBuf {
    std::env::var_os("TOLLWIRE_TESTKIT_DIR").map_or_else(|| workspace().join("target/testkit"), PathBuf::from)
}

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The `node_modules` folder with the official x402 clients, `viem` and `ws`.
pub fn node_modules() -> Result<PathBuf, Error> {
    existing("the npm packages of the tests", home().join("node/node_modules"))
}

/// anvil's native binary (starts three times as fast as its node wrapper).
pub fn anvil() -> Result<PathBuf, Error> {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let binary = format!("@foundry-rs/anvil-{os}-{arch}/bin/anvil");
    existing("anvil", node_modules()?.join(binary))
}

/// The folder of npm packages, once the Solana node is among them; it exists for Linux on x86-64.
pub fn surfpool() -> Result<PathBuf, Error> {
    let modules = node_modules()?;
    existing("the Solana node", modules.join("@solana/surfpool-linux-x64-gnu")).map(|_| modules)
}

/// The Python interpreter that has the official x402 client and `websockets`.
pub fn python() -> Result<PathBuf, Error> {
    existing("the Python environment of the tests", home().join("venv/bin/python"))
}

/// The Python interpreter that the Python SDK's tests and example run with.
pub fn sdk_python() -> Result<PathBuf, Error> {
    existing("the Python environment of the SDK", home().join("sdk-python/bin/python"))
}

/// The Go SDK's example provider, built.
pub fn sdk_go_provider() -> Result<PathBuf, Error> {
    existing("the Go SDK's provider", home().join("sdk-go-provider"))
}

/// The folder of the TypeScript SDK, built.
pub fn sdk_typescript() -> Result<PathBuf, Error> {
    let folder = workspace().join("sdks/typescript");
    existing("the TypeScript SDK", folder.join("dist/src/index.js")).map(|_| folder)
}

/// npm's cache, which has the packages that the agents' quick start installs.
pub fn npm_cache() -> Result<PathBuf, Error> {
    existing("the npm packages of the quick starts", home().join("quick-starts/npm"))
}

/// The PyPI packages that the agents' quick start installs: a folder of wheels.
pub fn wheels() -> Result<PathBuf, Error> {
    existing("the PyPI packages of the quick starts", home().join("quick-starts/wheels"))
}

/// A real Chromium, as Debian's package of that name installs it.
pub fn chromium() -> Result<PathBuf, Error> {
    let found = ["/usr/bin/chromium", "/usr/local/bin/chromium"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file());
    found.ok_or_else(|| Error::Missing("Chromium (Debian: apt-get install chromium)".to_owned()))
}

/// The interpreter that has the Autobahn test suite, as `cargo xtask conformance` installs it.
pub fn autobahn() -> Result<PathBuf, Error> {
    existing("the Autobahn test suite (cargo xtask conformance)", home().join("autobahn/py27/bin/python"))
}

/// A clean Debian, as `mmdebstrap` makes it of the packages that every installation has: an archive.
pub fn debian() -> Result<PathBuf, Error> {
    existing("a clean Debian", home().join("debian.tar"))
}

/// One of Circle's compiled contracts: `FiatTokenV2_2`, `FiatTokenProxy` or `SignatureChecker`.
pub fn usdc_artifact(contract: &str) -> Result<PathBuf, Error> {
    existing("Circle's USDC contract", home().join("usdc").join(format!("{contract}.json")))
}

/// The library that fakes a process's wall clock, as Debian's package `faketime` installs it.
pub fn faketime() -> Result<PathBuf, Error> {
    let folder = |machine: &str| Path::new("/usr/lib").join(machine).join("faketime/libfaketimeMT.so.1");
    let machines = [format!("{}-linux-gnu", std::env::consts::ARCH), String::new()];
    let found = machines.iter().map(|machine| folder(machine)).find(|path| path.is_file());
    found.ok_or_else(|| Error::Missing("libfaketime (Debian: apt-get install faketime)".to_owned()))
}

fn existing(what: &str, path: PathBuf) -> Result<PathBuf, Error> {
    if path.exists() { Ok(path) } else { Err(Error::Missing(format!("{what} ({})", path.display()))) }
}
