//! One HTTP client, bounded in time and in bytes.

use crate::Error;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_MAX: usize = 16;

/// Follows no redirect, keeps no cookie, verifies TLS against the Mozilla roots.
#[derive(Clone, Debug)]
pub(crate) struct Client(HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| Error::Tls(error.into()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(https);
        Ok(Self(client))
    }

    /// `GET`, whatever the status. The whole exchange ends within `timeout`; a body beyond `bytes_max` is an error.
    pub(crate) async fn get(
        &self,
        uri: &Uri,
        headers: HeaderMap,
        bytes_max: usize,
        timeout: Duration,
    ) -> Result<Response<Bytes>, Error> {
        tokio::time::timeout(timeout, self.get_unhurried(uri, headers, bytes_max))
            .await
            .unwrap_or(Err(Error::Timeout))
    }

    async fn get_unhurried(
        &self,
        uri: &Uri,
        headers: HeaderMap,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Error> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let response = self.0.request(request).await.map_err(|error| Error::Unreachable(error.into()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { Error::TooLong(bytes_max) } else { Error::Unreachable(error) }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// `base` and a path below it, as one URI; `what` names the setting in errors.
pub(crate) fn join(what: &'static str, base: &str, path: &str) -> Result<Uri, Error> {
    let url = url::Url::parse(base).map_err(|_| Error::Url(what))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return Err(Error::Url(what));
    }
    format!("{}{path}", base.trim_end_matches('/')).parse().map_err(|_| Error::Url(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_below_a_plain_base_only() {
        let uri = join("facilitator", "http://127.0.0.1:4020/base/", "/feeds").unwrap();
        assert_eq!(uri, "http://127.0.0.1:4020/base/feeds");
        for base in ["", "pay.example", "ftp://h", "http://u:p@h", "http://h?a", "http://h#a", "http://"] {
            assert!(matches!(join("facilitator", base, "/x"), Err(Error::Url("facilitator"))), "{base}");
        }
    }
}
