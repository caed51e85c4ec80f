//! The APIs that the operator has registered.

use super::address::is_public;
use super::{CallError, Price, PriceError};
use http::Uri;
use http::header::{HeaderMap, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tollwire_x402::ApiId;
use url::{Host, Url};

/// Which header a payment is sent to an API in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentHeader {
    /// That of the payment's own x402 version.
    #[default]
    Auto,
    /// Both, for APIs that read the old name and the new content.
    Both,
}

/// A registered API.
#[derive(Clone)]
pub struct Api {
    /// Its name in envelopes and URLs.
    pub id: ApiId,
    /// Where it is; a call's path is appended to its path.
    pub base_url: Url,
    /// Header lines for every request; they win over the agent's.
    pub headers: HeaderMap,
    /// Whether it may be reached at an address that is not public.
    pub allow_private: bool,
    /// How it wants its payments, if it prices itself.
    pub payment_header: PaymentHeader,
    /// What a call costs; `None` for an API that prices itself.
    pub price: Option<Price>,
}

/// Why an API cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// It is no HTTP.
    #[error("base_url: write an http:// or https:// URL with a host")]
    Url,
    /// User or password in the URL.
    #[error("base_url: no user or password; set headers instead")]
    UserInfo,
    /// A query or fragment, which a call's path would follow.
    #[error("base_url: no query and no fragment")]
    Query,
    /// A private address.
    #[error("base_url: {0} is not a public address; set allow_private = true if it is meant")]
    Private(IpAddr),
    /// A header that belongs to the connection.
    #[error("headers: {0} is written by the broker itself")]
    Header(String),
    /// A price that cannot be asked.
    #[error("{0}")]
    Price(#[from] PriceError),
    /// An id given twice.
    #[error("id: {0} stands twice")]
    Twice(ApiId),
}

const OURS: [HeaderName; 6] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::HOST,
    http::header::TE,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

impl Api {
    /// An API without headers, at a public address.
    pub fn new(id: ApiId, base_url: Url) -> Self {
        Self {
            id,
            base_url,
            headers: HeaderMap::new(),
            allow_private: false,
            payment_header: PaymentHeader::Auto,
            price: None,
        }
    }

    /// Whether it can be called at all.
    pub fn check(&self) -> Result<(), ApiError> {
        let url = &self.base_url;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(ApiError::Url);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ApiError::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ApiError::Query);
        }
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => Some(IpAddr::from(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::from(v6)),
            Some(Host::Domain(_)) | None => None,
        };
        // Names are looked at when they are resolved.
        if let Some(address) = literal.filter(|address| !self.allow_private && !is_public(*address)) {
            return Err(ApiError::Private(address));
        }
        if let Some(name) = self.headers.keys().find(|name| OURS.contains(name)) {
            return Err(ApiError::Header(name.to_string()));
        }
        Ok(self.price.as_ref().map_or(Ok(()), Price::check)?)
    }

    /// The URL of a checked path. The host is always the API's own.
    pub(super) fn uri(&self, path: &str) -> Result<Uri, CallError> {
        let bad = |_| CallError::malformed("params.path", "it cannot stand in a URL");
        let base = self.base_url.path().trim_end_matches('/');
        let whole: PathAndQuery = format!("{base}{path}").parse().map_err(bad)?;
        let host = self.base_url.host_str().unwrap_or_default();
        let authority = match self.base_url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let authority: Authority = authority.parse().map_err(bad)?;
        let scheme = if self.base_url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(whole)
            .build()
            .map_err(|_| CallError::malformed("params.path", "it cannot stand in a URL"))
    }
}

/// Shows no header value: they are the operator's keys.
impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("id", &self.id)
            .field("base_url", &self.base_url.as_str())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("allow_private", &self.allow_private)
            .field("payment_header", &self.payment_header)
            .field("price", &self.price)
            .finish()
    }
}

/// All registered APIs.
#[derive(Debug, Default)]
pub struct Apis(HashMap<String, Arc<Api>>);

impl Apis {
    /// Checks and registers these.
    pub fn new(apis: impl IntoIterator<Item = Api>) -> Result<Self, ApiError> {
        let mut known = HashMap::new();
        for api in apis {
            api.check()?;
            let id = api.id.clone();
            if known.insert(id.to_string(), Arc::new(api)).is_some() {
                return Err(ApiError::Twice(id));
            }
        }
        Ok(Self(known))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Api>> {
        self.0.values()
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Api>> {
        self.0.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(url: &str) -> Api {
        Api::new("demo".parse().unwrap(), url.parse().unwrap())
    }

    #[test]
    fn each_mistake_has_its_name() {
        assert_eq!(api("https://api.example/base").check(), Ok(()));
        assert_eq!(api("ftp://api.example/").check(), Err(ApiError::Url));
        assert_eq!(api("http://u:p@api.example/").check(), Err(ApiError::UserInfo));
        assert_eq!(api("http://api.example/?x").check(), Err(ApiError::Query));
        for private in ["http://127.0.0.1:1/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/"] {
            assert!(matches!(api(private).check(), Err(ApiError::Private(_))), "{private}");
            let mut meant = api(private);
            meant.allow_private = true;
            assert_eq!(meant.check(), Ok(()));
        }
        let mut host = api("http://api.example/");
        host.headers.insert("host", "x".parse().unwrap());
        assert_eq!(host.check(), Err(ApiError::Header("host".into())));
        assert_eq!(
            Apis::new([api("http://a.example/"), api("http://b.example/")]).unwrap_err(),
            ApiError::Twice("demo".parse().unwrap())
        );
    }

    #[test]
    fn a_path_is_appended_to_the_base() {
        let uri = |base: &str, path: &str| api(base).uri(path).unwrap().to_string();
        assert_eq!(uri("http://a.example", "/"), "http://a.example/");
        assert_eq!(uri("http://a.example:81/base/", "/v1?x=/../"), "http://a.example:81/base/v1?x=/../");
        assert_eq!(uri("https://[2606:4700::1111]/b", "/%41"), "https://[2606:4700::1111]/b/%41");
    }

    #[test]
    fn the_operator_s_keys_are_not_shown() {
        let mut api = api("http://a.example/");
        api.headers.insert("x-key", "s3cret".parse().unwrap());
        assert!(!format!("{api:?}").contains("s3cret"));
    }
}
