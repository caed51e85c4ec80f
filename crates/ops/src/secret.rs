//! Secrets: named in the configuration, never written into it.

use crate::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Where a secret is: `env:NAME` or `file:PATH`. A literal is refused, so that no key stands in a file that is
/// copied around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file, read whole and trimmed; relative to the configuration file's folder.
    File(PathBuf),
}

/// A secret's text. Wiped when dropped; never shown.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl SecretRef {
    /// Reads the secret. `base` is the folder that relative paths start from.
    pub fn read(&self, base: &Path) -> Result<Secret, Error> {
        let fail = |reason: String| Error::Secret { key: self.to_string(), reason };
        let text = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| fail("the environment variable is not set".into()))?
            }
            Self::File(path) => {
                std::fs::read_to_string(base.join(path)).map_err(|error| fail(error.to_string()))?
            }
        };
        let text = Zeroizing::new(text);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(fail("it is empty".into()));
        }
        Ok(Secret(Zeroizing::new(trimmed.to_owned())))
    }

    /// Whether a secret file can be read by others than its owner. `None` if it is not a readable file.
    pub fn readable_by_others(&self, base: &Path) -> Option<bool> {
        use std::os::unix::fs::PermissionsExt as _;
        match self {
            Self::Env(_) => None,
            Self::File(path) => {
                let mode = std::fs::metadata(base.join(path)).ok()?.permissions().mode();
                Some(mode & 0o077 != 0)
            }
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for SecretRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("a secret is not written here; name it as env:NAME or file:PATH"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_refused_and_not_repeated() {
        let error = "0x1111111111111111".parse::<SecretRef>().unwrap_err();
        assert!(!error.contains("1111"));
    }

    #[test]
    fn a_file_is_read_trimmed_and_its_mode_is_known() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "hunter2\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let reference: SecretRef = "file:key".parse().unwrap();
        let secret = reference.read(folder.path()).unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(reference.readable_by_others(folder.path()), Some(true));
    }

    #[test]
    fn an_unset_variable_names_itself() {
        let reference: SecretRef = "env:TOLLWIRE_SURELY_NOT_SET".parse().unwrap();
        let error = reference.read(Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("TOLLWIRE_SURELY_NOT_SET"), "{error}");
    }
}
