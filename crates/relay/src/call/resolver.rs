//! Names, resolved to addresses that may be reached. What is checked is what is connected to: nothing resolves again.

use super::address::is_public;
use hyper_util::client::legacy::connect::dns::Name;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The system's resolver behind the rule of [`is_public`].
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    pub(super) private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private = self.private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| private || is_public(address.ip())).take(ADDRESSES_MAX).collect();
            if allowed.is_empty() {
                tracing::warn!(
                    name = name.as_str(),
                    "an API's name has no address that may be reached; set allow_private if it should"
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no public address"));
            }
            Ok(allowed.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_points_home_is_refused_unless_allowed() {
        let name: Name = "localhost".parse().unwrap();
        let refused = Resolver { private: false }.call(name.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(
            Resolver { private: true }.call(name).await.unwrap().all(|address| address.ip().is_loopback())
        );
    }
}
