//! TLS towards servers: rustls, the public authorities, and the operator's own.

use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Extra authorities that cannot be used: correct the PEM text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// A certificate in it cannot be read, or is none that may sign others.
    #[error("{0}")]
    Unusable(String),
    /// There is none in it.
    #[error("no certificate found")]
    Empty,
}

/// A configuration that trusts the public authorities and those of each of these PEM texts.
pub fn client_config<'a>(extra_roots: impl IntoIterator<Item = &'a str>) -> Result<ClientConfig, RootsError> {
    let unusable = |error: &dyn std::error::Error| RootsError::Unusable(error.to_string());
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in extra_roots {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
        if roots.len() == before {
            return Err(RootsError::Empty);
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_roots_are_told() {
        assert!(client_config([]).is_ok());
        assert_eq!(client_config(["nothing here"]).unwrap_err(), RootsError::Empty);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config([broken]), Err(RootsError::Unusable(_))));
    }
}
