//! The key `store`: where a binary keeps what must outlive it.

use crate::Error;
use crate::config::{Loaded, MaybeEnv};
use std::fmt;
use std::path::{Path, PathBuf};

/// A store, by its URL.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`: nothing is kept.
    Memory,
    /// `file:PATH`: one file, one process.
    File(PathBuf),
    /// `redis://`, `redis-sentinel://` or `redis-cluster://`, or with `rediss`: shared by any number of processes. May hold a password.
    Redis(String),
}

impl StoreUrl {
    /// Reads the key `store` of a file; relative paths start from the file's folder.
    pub fn of<T>(file: &Loaded<T>, written: &MaybeEnv) -> Result<Self, Error> {
        Self::read(&written.resolve()?, &file.base).ok_or_else(|| {
            file.error("store", "write file:PATH, memory:, redis://HOST:PORT/DB, rediss://HOST:PORT/DB, redis-sentinel://HOST:PORT,HOST:PORT/DB#SERVICE or redis-cluster://HOST:PORT,HOST:PORT")
        })
    }

    fn read(url: &str, base: &Path) -> Option<Self> {
        match url.split_once(':')? {
            ("memory", "") => Some(Self::Memory),
            ("file", path) if !path.is_empty() => Some(Self::File(base.join(path))),
            (
                "redis" | "rediss" | "redis-sentinel" | "rediss-sentinel" | "redis-cluster"
                | "rediss-cluster",
                rest,
            ) if !rest.is_empty() => Some(Self::Redis(url.to_owned())),
            _ => None,
        }
    }
}

/// Without the address, which may carry a password.
impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Redis(_) => f.write_str("redis:.."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_nothing_else() {
        let read = |url| StoreUrl::read(url, Path::new("/etc/tollwire"));
        assert_eq!(read("memory:"), Some(StoreUrl::Memory));
        assert_eq!(read("file:./a.db"), Some(StoreUrl::File("/etc/tollwire/./a.db".into())));
        assert_eq!(read("file:/a.db"), Some(StoreUrl::File("/a.db".into())));
        for url in [
            "redis://127.0.0.1:6379/0",
            "rediss://:s3cret@redis.example/1",
            "redis-sentinel://a,b/0#main",
            "rediss-cluster://:s3cret@a,b:7000",
        ] {
            assert_eq!(read(url), Some(StoreUrl::Redis(url.into())));
            assert!(!format!("{:?}", read(url)).contains("s3cret"));
        }
        for bad in ["", "memory", "memory:x", "file:", "redis:", "http://x", "env:X"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
