//! Why an upstream gave no WebSocket.

use std::io::ErrorKind;

/// Why an upstream gave no WebSocket. Names no address and quotes nothing the upstream said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Its name has no address.
    #[error("its name cannot be resolved")]
    Resolve,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(ErrorKind),
    /// TLS failed: certificate, name or protocol.
    #[error("TLS failed")]
    Tls,
    /// The whole answer took longer than [`ProxyConfig::upstream_dial`](crate::ProxyConfig::upstream_dial).
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("it hung up before it answered")]
    HungUp,
    /// It answered with another status than 101.
    #[error("it refused with status {0}")]
    Refused(u16),
    /// Its answer is not HTTP, or longer than [`HEAD_BYTES_MAX`](super::HEAD_BYTES_MAX).
    #[error("its answer is not an HTTP response")]
    Malformed,
    /// It answered 101, but not to our handshake; the text says which header is wrong.
    #[error("its answer does not fit the handshake: {0}")]
    Lied(&'static str),
}

impl UpstreamError {
    /// A fixed word for metric labels.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Resolve => "unresolved",
            Self::Connect(_) => "unconnected",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::HungUp => "hung_up",
            Self::Refused(_) => "refused",
            Self::Malformed => "malformed",
            Self::Lied(_) => "lied",
        }
    }
}
