//! TLS towards upstreams.

use crate::ConfigError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use url::Host;

/// A connector that trusts the public authorities and these extra ones (PEM).
pub(super) fn connector(extra_roots: &[String]) -> Result<TlsConnector, ConfigError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in extra_roots {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| ConfigError::Roots(error.to_string()))?;
            roots.add(certificate).map_err(|error| ConfigError::Roots(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(ConfigError::Roots("no certificate found".into()));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A server that prefers HTTP/2 must not choose it: a WebSocket here begins with an HTTP/1.1 upgrade.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name the upstream's certificate must be for.
pub(super) fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress((*address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress((*address).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_roots_are_told() {
        assert!(connector(&[]).is_ok());
        assert!(matches!(connector(&["nothing here".into()]), Err(ConfigError::Roots(_))));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(connector(&[broken.into()]), Err(ConfigError::Roots(_))));
    }
}
