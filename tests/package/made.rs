//! The package of this build, made once for all tests.

use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tollwire_tests::facilitator::binary;

/// Runs a command, which must succeed; what it printed.
pub(crate) async fn run(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output().await;
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}: run `cargo xtask test`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A package, and what lies beside it.
pub(crate) struct Made {
    folder: PathBuf,
    binaries: PathBuf,
    /// The first revision of the package.
    pub(crate) package: PathBuf,
}

impl Made {
    /// The one of this process.
    pub(crate) async fn get() -> &'static Self {
        static MADE: OnceCell<Made> = OnceCell::const_new();
        MADE.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        // What is made once is dropped by nobody: the next run begins by forgetting it.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        let binaries = stripped(&folder).await;
        let package = package(&folder, &binaries, "1").await;
        Self { folder, binaries, package }
    }

    /// Another revision of it.
    pub(crate) async fn revision(&self, revision: &str) -> PathBuf {
        package(&self.folder, &self.binaries, revision).await
    }

    /// The folder that has the package and its container file.
    pub(crate) fn context(&self) -> &Path {
        self.package.parent().unwrap()
    }
}

/// A package of binaries.
async fn package(folder: &Path, binaries: &Path, revision: &str) -> PathBuf {
    let out = folder.join(format!("out-{revision}"));
    std::fs::create_dir_all(&out).unwrap();
    let mut xtask = Command::new(binary().with_file_name("xtask"));
    xtask
        .args(["package", "--compress", "none", "--revision", revision, "--binaries"])
        .arg(binaries)
        .arg("--out")
        .arg(&out);
    let printed = run(&mut xtask).await;
    PathBuf::from(printed.lines().last().unwrap())
}

/// The binaries without what only a debugger reads.
async fn stripped(folder: &Path) -> PathBuf {
    let to = folder.join("binaries");
    std::fs::create_dir_all(&to).unwrap();
    for name in ["facilitator", "relay-broker", "tollwire"] {
        run(Command::new("strip").arg("-o").arg(to.join(name)).arg(binary().with_file_name(name))).await;
    }
    to
}
