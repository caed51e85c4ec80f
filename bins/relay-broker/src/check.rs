//! `relay-broker check`.

use crate::failure::Failure;
use crate::{config, say, wiring};
use std::path::Path;

/// Reads the file as `serve` would; binds and contacts nothing.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let file = config::read(path)?;
    wiring::relay(&file)?;
    if let Some(tls) = &file.value.tls {
        tollwire_ops::listener::acceptor(tls, &file.base)?;
    }
    let warnings = config::warnings(&file);
    for warning in &warnings {
        say::warning(warning);
    }
    say::line(format!(
        "{}: ok, {} API(s), {} warning(s)",
        path.display(),
        file.value.api.len(),
        warnings.len()
    ));
    Ok(())
}
