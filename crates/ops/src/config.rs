//! Configuration files: TOML, checked whole before anything is bound; errors name file, line, key and reason.

use crate::Error;
use crate::secret::SecretRef;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// A loaded file: its content, and the folder that relative paths in it start from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The content.
    pub value: T,
    /// The file.
    pub path: PathBuf,
    /// Its folder.
    pub base: PathBuf,
}

/// Loads a TOML file. `T` should refuse unknown keys.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Loaded<T>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::File { path: path.into(), reason: error.to_string() })?;
    let value = parse(path, &text)?;
    let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
    Ok(Loaded { value, path: path.into(), base })
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    let problem = |key: String, error: &toml::de::Error| {
        let at = error.span().and_then(|span| text.get(..span.start));
        Error::Config {
            path: path.into(),
            line: at.map_or(0, |before| before.matches('\n').count().saturating_add(1)),
            key: if key == "." { "top level".into() } else { key },
            reason: error.message().to_owned(),
        }
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| problem("syntax".into(), &error))?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| problem(error.path().to_string(), error.inner()))
}

impl<T> Loaded<T> {
    /// An error about one of this file's keys.
    pub fn error(&self, key: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Config { path: self.path.clone(), line: 0, key: key.into(), reason: reason.into() }
    }
}

/// The public listener and what stands in front of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// `[admin]`: metrics, health, administration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens; keep it private.
    pub listen: SocketAddr,
    /// What `/admin/*` asks for.
    pub token: SecretRef,
}

/// `[runtime]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// Worker threads; else `TOKIO_WORKER_THREADS`, else one per core.
    pub threads: Option<usize>,
}

/// `[log]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A `tracing` filter such as `info` or `tollwire_gate=debug`; `RUST_LOG` wins.
    pub filter: Option<String>,
    /// One JSON object per line instead of text.
    pub json: bool,
}

/// Text that may be given in the file or, as `env:NAME`, by the environment (a store or upstream URL that holds
/// a password).
#[derive(Clone, PartialEq, Eq)]
pub struct MaybeEnv(String);

impl MaybeEnv {
    /// The text, from the environment where it says so.
    pub fn resolve(&self) -> Result<String, Error> {
        match self.0.strip_prefix("env:") {
            None => Ok(self.0.clone()),
            Some(name) => std::env::var(name).map_err(|_| Error::Secret {
                key: self.0.clone(),
                reason: "the environment variable is not set".into(),
            }),
        }
    }
}

impl fmt::Debug for MaybeEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.starts_with("env:") { &self.0 } else { ".." })
    }
}

impl<'de> Deserialize<'de> for MaybeEnv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl From<&str> for MaybeEnv {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A URL that clients reach a service by: http or https, with neither query nor fragment. For serde's
/// `deserialize_with`.
pub fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let url = Url::deserialize(deserializer)?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(serde::de::Error::custom("write an http:// or https:// URL without query"));
    }
    Ok(url)
}

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    base: u128,
    prefix: u32,
    v4: bool,
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => (u128::from(v4.to_bits()), true),
            None => (v6.to_bits(), false),
        },
    }
}

impl AddressRange {
    /// Whether an address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, v4) = bits(address);
        let width: u32 = if v4 { 32 } else { 128 };
        let shift = width.saturating_sub(self.prefix);
        v4 == self.v4 && (address ^ self.base).checked_shr(shift).unwrap_or(0) == 0
    }
}

impl FromStr for AddressRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "write an address such as 10.0.0.1, or a range such as 10.0.0.0/8";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let (base, v4) = bits(address.parse().map_err(|_| RULE)?);
        let width: u32 = if v4 { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse).map_err(|_| RULE)?;
        if prefix > width { Err(RULE) } else { Ok(Self { base, prefix, v4 }) }
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its parsing is tested")]
        listen: SocketAddr,
        admin: Option<Admin>,
    }

    fn error(text: &str) -> String {
        parse::<Sample>(Path::new("f.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_key_and_reason() {
        assert!(
            error("listen = \"127.0.0.1:1\"\nlitsen = 1").starts_with("f.toml:2: "),
            "{}",
            error("listen = \"127.0.0.1:1\"\nlitsen = 1")
        );
        assert!(error("listen = \"127.0.0.1:1\"\nlitsen = 1").contains("unknown field `litsen`"));
        assert!(error("listen = 5").contains("listen"));
        assert!(error("listen = ").contains("f.toml:1"));
    }

    #[test]
    fn a_literal_secret_is_refused_without_being_shown() {
        let text = "listen = \"127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:2\"\ntoken = \"hunter2hunter2\"";
        let message = error(text);
        assert!(message.contains("admin.token") && message.contains("env:NAME"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        let good = text.replace("hunter2hunter2", "env:T");
        assert_eq!(
            parse::<Sample>(Path::new("f.toml"), &good).unwrap().admin.unwrap().token,
            SecretRef::Env("T".into())
        );
    }

    #[test]
    fn a_public_url_is_plain() {
        #[derive(Debug, Deserialize)]
        struct Public {
            #[serde(deserialize_with = "public_url")]
            url: Url,
        }
        let read = |url: &str| parse::<Public>(Path::new("f.toml"), &format!("url = \"{url}\""));
        assert_eq!(read("https://a.example/b").unwrap().url.path(), "/b");
        for bad in ["ftp://a.example", "http://a.example/?q", "http://a.example/#f", "a.example"] {
            assert!(read(bad).unwrap_err().to_string().starts_with("f.toml:1: url: "), "{bad}");
        }
    }

    #[test]
    fn ranges_hold_their_addresses() {
        let ten: AddressRange = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("a00::1".parse().unwrap()));
        let one: AddressRange = "::1".parse().unwrap();
        assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
        let all: AddressRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<AddressRange>().is_err());
    }
}
