//! Addresses, checked before anything secret is sent to them.

use crate::Error;
use url::{Host, Url};

/// Where a feed's sessions are bought, from any address of the feed: `https://pay.example/feeds/ticks`, the same with
/// `/session` or `/ws`, or the WebSocket address. Another address is left as it is: providers may sell at any.
pub fn session_url(address: &str) -> Result<String, Error> {
    let mut url = Url::parse(address).map_err(|_| Error::Url("it is not an absolute URL"))?;
    let scheme = match url.scheme() {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => return Err(Error::Url("it has another scheme than expected")),
    };
    // All four are special schemes, between which the change is always allowed.
    let _ = url.set_scheme(scheme);
    let path = url.path().trim_end_matches('/');
    if let Some((before, feed)) = path.rsplit_once("/feeds/") {
        let feed = feed.strip_suffix("/ws").or(feed.strip_suffix("/session")).unwrap_or(feed);
        if !feed.is_empty() && !feed.contains('/') {
            let path = format!("{before}/feeds/{feed}/session");
            url.set_path(&path);
        }
    }
    Ok(url.into())
}

/// An address that secrets may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    /// An HTTP address.
    pub(crate) fn http(text: &str, allow_plain: bool) -> Result<Self, Error> {
        Self::parse(text, ["https", "http"], allow_plain)
    }

    /// A WebSocket address.
    pub(crate) fn ws(text: &str, allow_plain: bool) -> Result<Self, Error> {
        Self::parse(text, ["wss", "ws"], allow_plain)
    }

    fn parse(text: &str, [secure, plain]: [&str; 2], allow_plain: bool) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|_| Error::Url("it is not an absolute URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url("it carries credentials"));
        }
        if url.fragment().is_some() {
            return Err(Error::Url("it carries a fragment"));
        }
        let endpoint = Self(url);
        match endpoint.0.scheme() {
            scheme if scheme == secure => Ok(endpoint),
            scheme if scheme == plain && (allow_plain || endpoint.is_loopback()) => Ok(endpoint),
            scheme if scheme == plain => {
                Err(Error::Url("without TLS only this machine may be addressed, unless allow_plain is set"))
            }
            _ => Err(Error::Url("it has another scheme than expected")),
        }
    }

    fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    pub(crate) fn is_secure(&self) -> bool {
        matches!(self.0.scheme(), "https" | "wss")
    }

    /// The host as sockets and certificates want it: without brackets.
    pub(crate) fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => String::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    /// The `Host` header: the port stands there only if it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The request target.
    pub(crate) fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The HTTP address of another route of the service whose route `own` this is: the same host, and the same path
    /// before it. Without `own` at its end, the route stands at the root.
    pub(crate) fn sibling(&self, own: &str, route: &str) -> Self {
        let mut url = self.0.clone();
        let scheme = if self.is_secure() { "https" } else { "http" };
        // Both are special schemes, between which the change is always allowed.
        let _ = url.set_scheme(scheme);
        let before = self.0.path().strip_suffix(own).unwrap_or_default();
        url.set_path(&format!("{before}{route}"));
        url.set_query(None);
        Self(url)
    }

    /// A route below this address: a path with a slash in front, and perhaps a query.
    pub(crate) fn below(&self, route: &str) -> Result<Self, Error> {
        let (path, query) = route.split_once('?').map_or((route, None), |(path, query)| (path, Some(query)));
        let mut url = self.0.clone();
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        url.set_path(&whole);
        url.set_query(query);
        // What was rewritten is not what was meant: a segment of dots, for one.
        if url.path() != whole {
            return Err(Error::Url("its path is not in its plain form"));
        }
        Ok(Self(url))
    }

    /// The WebSocket at this address.
    pub(crate) fn websocket(&self, allow_plain: bool) -> Result<Self, Error> {
        let mut url = self.0.clone();
        // Both are special schemes, between which the change is always allowed.
        let _ = url.set_scheme(if self.is_secure() { "wss" } else { "ws" });
        Self::ws(url.as_str(), allow_plain)
    }

    /// The same address with one more parameter.
    pub(crate) fn with_parameter(&self, name: &str, value: &str) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair(name, value);
        Self(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_out_over_tls_or_stay_on_this_machine() {
        for (text, ok) in [
            ("https://pay.example/feeds/x/session", true),
            ("http://127.0.0.1:4020/x", true),
            ("http://[::1]:4020/x", true),
            ("http://localhost/x", true),
            ("http://pay.example/x", false),
            ("http://localhost.evil.example/x", false),
            ("ftp://pay.example/x", false),
            ("https://user:s3cret@pay.example/x", false),
            ("/feeds/x", false),
        ] {
            assert_eq!(Endpoint::http(text, false).is_ok(), ok, "{text}");
        }
        assert!(Endpoint::http("http://pay.example/x", true).is_ok());
        assert!(Endpoint::ws("http://127.0.0.1/x", false).is_err());
        let endpoint = Endpoint::ws("wss://[2001:db8::1]/x", false).unwrap();
        assert_eq!((endpoint.host().as_str(), endpoint.port()), ("2001:db8::1", 443));
        assert_eq!((endpoint.authority(), endpoint.path_and_query()), ("[2001:db8::1]".into(), "/x".into()));
        let endpoint = Endpoint::ws("ws://localhost:4020/x?a=b%20c", false).unwrap();
        assert_eq!(endpoint.authority(), "localhost:4020");
        assert_eq!(endpoint.path_and_query(), "/x?a=b%20c");
        assert_eq!(endpoint.with_parameter("control", "v1").path_and_query(), "/x?a=b%20c&control=v1");
    }

    #[test]
    fn routes_of_one_service_stand_side_by_side() {
        for (ws, route) in [
            ("wss://pay.example/feeds/x/ws", "https://pay.example/session/top-up"),
            ("ws://127.0.0.1:4020/shop/feeds/x/ws?a=b", "http://127.0.0.1:4020/shop/session/top-up"),
            ("wss://pay.example/elsewhere", "https://pay.example/session/top-up"),
        ] {
            let ws = Endpoint::ws(ws, false).unwrap();
            assert_eq!(ws.sibling("/feeds/x/ws", "/session/top-up").as_str(), route);
        }
        for (address, session) in [
            ("http://127.0.0.1:4020/feeds/x", "http://127.0.0.1:4020/feeds/x/session"),
            ("http://127.0.0.1:4020/feeds/x/", "http://127.0.0.1:4020/feeds/x/session"),
            ("wss://pay.example/shop/feeds/x/ws", "https://pay.example/shop/feeds/x/session"),
            ("https://pay.example/feeds/x/session", "https://pay.example/feeds/x/session"),
            ("https://pay.example/buy?a=b", "https://pay.example/buy?a=b"),
        ] {
            assert_eq!(session_url(address).as_deref(), Ok(session));
        }
        assert!(session_url("ftp://pay.example/feeds/x").is_err());
    }
}
