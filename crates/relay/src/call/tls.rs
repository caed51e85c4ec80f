//! TLS towards APIs: the public authorities, and the operator's own.

use crate::StartError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::sync::Arc;

/// A configuration that also trusts these authorities (PEM).
pub(super) fn config(extra_roots: Option<&str>) -> Result<ClientConfig, StartError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let public = roots.len();
    for certificate in CertificateDer::pem_slice_iter(extra_roots.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|error| StartError::Roots(error.to_string()))?;
        roots.add(certificate).map_err(|error| StartError::Roots(error.to_string()))?;
    }
    if extra_roots.is_some() && roots.len() == public {
        return Err(StartError::Roots("no certificate found".into()));
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Roots(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_roots_are_told() {
        assert!(config(None).is_ok());
        assert!(matches!(config(Some("nothing here")), Err(StartError::Roots(_))));
    }
}
