//! A wall clock that can be stepped under one process: libfaketime, preloaded. Monotonic time stays what it is.

use crate::{Error, tools};
use tempfile::TempDir;

/// What a process's wall clock shows beside the truth. Dropped, its process sees the truth again.
#[derive(Debug)]
pub struct WallClock {
    folder: TempDir,
    library: String,
}

impl WallClock {
    /// A clock that is right at first.
    pub fn right() -> Result<Self, Error> {
        let library = tools::faketime()?.to_string_lossy().into_owned();
        let folder = tempfile::tempdir().map_err(Error::io("making a directory for a clock"))?;
        let clock = Self { folder, library };
        clock.step_to(0)?;
        Ok(clock)
    }

    /// Has the clock show so many seconds more, or fewer, than the truth from now on.
    pub fn step_to(&self, seconds: i64) -> Result<(), Error> {
        // Replaced whole, because the process reads it whenever it asks for the time.
        let (new, file) = (self.folder.path().join("new"), self.file());
        let written = std::fs::write(&new, format!("{seconds:+}\n"));
        written.and_then(|()| std::fs::rename(new, file)).map_err(Error::io("stepping a clock"))
    }

    /// The environment of the process that is to see it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().to_string_lossy().into_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("offset")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};
    use tokio::process::Command;

    /// What `date` shows, less the truth, in seconds.
    async fn off(clock: &WallClock) -> i64 {
        let shown = Command::new("date").arg("+%s").envs(clock.environment()).output().await.unwrap();
        let shown: i64 = String::from_utf8(shown.stdout).unwrap().trim().parse().unwrap();
        let truth = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        shown - i64::try_from(truth).unwrap()
    }

    #[tokio::test]
    async fn it_steps_both_ways() {
        let clock = WallClock::right().unwrap();
        for step in [0, 3_600, -3_600] {
            clock.step_to(step).unwrap();
            let off = off(&clock).await;
            assert!((step - 2..=step).contains(&off), "{off} instead of {step}");
        }
    }
}
