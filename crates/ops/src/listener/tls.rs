//! TLS for our own listener.

use crate::Error;
use crate::config::Tls;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Reads certificate and key; relative paths start from `base`.
pub fn acceptor(tls: &Tls, base: &Path) -> Result<TlsAcceptor, Error> {
    let (cert, key) = (base.join(&tls.cert), base.join(&tls.key));
    let bad = |path: &Path, reason: String| Error::File { path: path.into(), reason };
    let chain = CertificateDer::pem_file_iter(&cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&cert, format!("not a PEM certificate chain: {error}")))?;
    if chain.is_empty() {
        return Err(bad(&cert, "it holds no certificate".into()));
    }
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| bad(&key, format!("not a PEM private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&cert, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| bad(&cert, format!("certificate and key do not fit: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
