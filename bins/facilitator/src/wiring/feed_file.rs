//! Registered feeds in a file of their own.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tollwire_gate::FeedStore;

/// A file that only its owner reads, because upstream headers may be keys; replaced whole.
pub(crate) struct FeedFile(PathBuf);

impl FeedFile {
    /// The file at a path; it is made when a feed is registered.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl FeedStore for FeedFile {
    fn load(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Written beside the old one, then put in its place: a crash leaves one of the two, whole.
    fn save(&self, text: &str) -> io::Result<()> {
        let mut fresh = self.0.clone().into_os_string();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        // One left over from a crash may be another's, or readable for others.
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_last_text_stands_and_only_its_owner_reads_it() {
        let folder = std::env::temp_dir().join(format!("feed-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("feeds.json");
        let file = FeedFile::new(path.clone());
        assert_eq!(file.load().unwrap(), None);
        std::fs::write(folder.join("feeds.json.new"), "torn").unwrap();
        file.save("one").unwrap();
        file.save("two").unwrap();
        assert_eq!(file.load().unwrap().as_deref(), Some("two"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(file.save("three").is_err(), "no folder");
    }
}
