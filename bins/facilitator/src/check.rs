//! `facilitator check`.

use crate::failure::Failure;
use crate::{config, wiring};
use std::path::Path;
use tollwire_ops::console;

/// Reads the file and its secrets as `serve` would; binds and contacts nothing.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let file = config::read(path)?;
    wiring::keys(&file)?;
    wiring::feeds(&file, tollwire_wiring::described(&file.value.chain, &file.base)?)?;
    wiring::Clientele::of(&file)?;
    wiring::proxy_config(&file)?;
    if let Some(tls) = &file.value.tls {
        tollwire_ops::listener::acceptor(tls, &file.base)?;
    }
    if let Some(admin) = &file.value.admin {
        admin.token.read(&file.base)?;
    }
    let warnings = config::warnings(&file);
    for warning in &warnings {
        console::warning(warning);
    }
    console::line(format!(
        "{}: ok, {} chain(s), {} feed(s), {} warning(s)",
        path.display(),
        file.value.chain.len(),
        file.value.feed.len(),
        warnings.len()
    ));
    Ok(())
}
