//! `relay-broker check`.

use crate::failure::Failure;
use crate::{accounts, asp, bridge, config, payments, wiring};
use std::path::Path;
use tollwire_ops::console;

/// Reads the file as `serve` would; binds and contacts nothing.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let file = config::read(path)?;
    wiring::relay(&file, None, (None, None, None), None)?;
    wiring::admin_token(&file)?;
    bridge::key(&file)?;
    bridge::registry(&file)?;
    accounts::Plan::of(&file)?;
    asp::key(&file)?;
    asp::clients(&file)?;
    if file.value.facilitator.is_some() {
        payments::over_http(&file)?;
    }
    if let Some(tls) = &file.value.tls {
        tollwire_ops::listener::acceptor(tls, &file.base)?;
    }
    let warnings = config::warnings(&file);
    for warning in &warnings {
        console::warning(warning);
    }
    console::line(format!(
        "{}: ok, {} API(s), {} warning(s)",
        path.display(),
        file.value.api.len(),
        warnings.len()
    ));
    Ok(())
}
