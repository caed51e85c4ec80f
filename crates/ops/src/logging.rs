//! Structured logs on standard error.

use crate::Error;
use crate::config::Log;
use tracing_subscriber::EnvFilter;

/// Installs the process's logger. `RUST_LOG` wins over the configured filter; the default is `info`.
pub fn install(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(log.filter.as_deref().unwrap_or("info")))
        .map_err(|error| Error::Secret { key: "log.filter".into(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = if log.json { builder.json().try_init() } else { builder.try_init() };
    installed.map_err(|_| Error::AlreadyInstalled("the logger"))
}
