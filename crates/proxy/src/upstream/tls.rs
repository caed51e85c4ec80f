//! TLS towards upstreams.

use crate::ConfigError;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Host;

/// A connector that trusts the public authorities and these extra ones (PEM).
pub(super) fn connector(extra_roots: &[String]) -> Result<TlsConnector, ConfigError> {
    let mut config = tollwire_wire::tls::client_config(extra_roots.iter().map(String::as_str))?;
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
