//! `facilitator keys new`.

use crate::cli::KeyAlgorithm;
use crate::failure::Failure;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tollwire_ops::console;
use tollwire_session::{Algorithm, SigningKey};

/// Makes a key file of mode 0600; refuses to overwrite.
pub(crate) fn new(out: &Path, algorithm: KeyAlgorithm) -> Result<(), Failure> {
    let shown = out.display().to_string();
    let algorithm = match algorithm {
        KeyAlgorithm::Eddsa => Algorithm::EdDsa,
        KeyAlgorithm::Es256 => Algorithm::Es256,
    };
    let key = SigningKey::generate(algorithm).map_err(Failure::start)?;
    let pem = key.to_pem().map_err(Failure::start)?;
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(out) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Failure::Exists(shown)),
        Err(error) => return Err(Failure::Start(format!("{shown}: {error}"))),
    };
    file.write_all(pem.as_str().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| Failure::Start(format!("{shown}: {error}")))?;
    console::line(format!("{shown}: new signing key, kid {}", key.kid()));
    Ok(())
}
