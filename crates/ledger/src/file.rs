//! A store's file on disk: created private, opened once, watched for being exchanged. For every embedded store.

use crate::Error;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Opens the file, or creates it readable by its owner alone and makes its name durable.
pub fn open(path: &Path) -> Result<File, Error> {
    let existed = path.exists();
    let file = private().create(true).truncate(false).open(path).map_err(|error| unfit(path, &error))?;
    if !existed {
        sync_directory(path)?;
    }
    Ok(file)
}

/// Creates a file that must not exist yet.
pub fn create_new(path: &Path) -> Result<File, Error> {
    let file = private().create_new(true).open(path).map_err(|error| unfit(path, &error))?;
    sync_directory(path)?;
    Ok(file)
}

/// Gives a file another name in the same folder, durably.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|error| unfit(to, &error))?;
    sync_directory(to)
}

/// Removes a file, durably.
pub fn remove(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path)
        .map_err(|error| Error::Unavailable(format!("cannot remove {}: {error}", path.display())))?;
    sync_directory(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file survives a power cut only once its directory is on disk too.
fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = directory(path);
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(|error| unfit(directory, &error))
}

fn unfit(path: &Path, error: &io::Error) -> Error {
    let (name, parent) = (path.display(), directory(path));
    match error.kind() {
        io::ErrorKind::NotFound if !parent.exists() => Error::Unfit(format!(
            "cannot create {name}: the directory {} does not exist; create it first",
            parent.display()
        )),
        _ => Error::Unfit(format!("cannot open {name}: {error}")),
    }
}

/// Which file we opened, so that one moved away or deleted under us is noticed: writes to it would be lost.
#[derive(Debug, Clone)]
pub struct FileIdentity {
    path: PathBuf,
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    /// The identity of the file just opened at `path`.
    pub fn of(path: &Path, file: &File) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(|error| unfit(path, &error))?;
        Ok(Self {
            path: std::path::absolute(path).map_err(|error| unfit(path, &error))?,
            #[cfg(unix)]
            device_and_inode: device_and_inode(&metadata),
        })
    }

    /// [`Error::Lost`] if the path no longer leads to the file we write.
    pub fn check(&self) -> Result<(), Error> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Lost,
            _ => Error::Unavailable(format!("{}: {error}", self.path.display())),
        })?;
        #[cfg(unix)]
        if device_and_inode(&metadata) != self.device_and_inode {
            return Err(Error::Lost);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn device_and_inode(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}
