//! The public routes: one table that the router, the preflight, `Allow` and the OpenAPI document share.

use http::Method;
use percent_encoding::percent_decode_str;
use tollwire_x402::{FeedId, Network};

/// Where units are added to a session.
pub(crate) const TOP_UP: &str = "/session/top-up";

/// Where a session's receipt is.
pub(super) const RECEIPT: &str = "/session/receipt";

/// The longest name of a settlement, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// A public route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Session(FeedId),
    Stream(FeedId),
    Feeds,
    OnlineCheck,
    TopUp,
    Receipt,
    Verify,
    Settle,
    /// A settlement, by the transaction or the rest of the payment's identity.
    Settlement(Network, String),
    Supported,
    Jwks,
    OpenApi,
}

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unrouted {
    /// No such path.
    NotFound,
    /// The path exists; these are its methods.
    Method(&'static str),
    /// A preflight for a path with these methods.
    Preflight(&'static str),
}

impl Route {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/feeds" => Self::Feeds,
            "/session" => Self::OnlineCheck,
            TOP_UP => Self::TopUp,
            RECEIPT => Self::Receipt,
            "/verify" => Self::Verify,
            "/settle" => Self::Settle,
            "/supported" => Self::Supported,
            "/.well-known/jwks.json" => Self::Jwks,
            "/openapi.json" => Self::OpenApi,
            _ => return Self::of_settlement(path).or_else(|| Self::of_feed(path)),
        })
    }

    fn of_feed(path: &str) -> Option<Self> {
        let (feed, leaf) = path.strip_prefix("/feeds/")?.split_once('/')?;
        let feed = feed.parse().ok()?;
        match leaf {
            "session" => Some(Self::Session(feed)),
            "ws" => Some(Self::Stream(feed)),
            _ => None,
        }
    }

    fn of_settlement(path: &str) -> Option<Self> {
        // Clients that encode each part write %3A for the colon of a network.
        let named = percent_decode_str(path.strip_prefix("/settle/")?).decode_utf8().ok()?;
        let (network, name) = named.split_once('/')?;
        let network = Network::from_any_name(network).ok()?;
        let plain = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Self::Settlement(network, name.to_owned()))
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Verify | Self::Settle | Self::TopUp => "POST, OPTIONS",
            Self::OnlineCheck => "GET, HEAD, DELETE, OPTIONS",
            // A stream and a purchase are never asked for with HEAD: their effect is the point.
            Self::Session(_) | Self::Stream(_) => "GET, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// The route of a request.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, Unrouted> {
        let route = Self::at(path).ok_or(Unrouted::NotFound)?;
        let methods = route.methods();
        if method == Method::OPTIONS {
            return Err(Unrouted::Preflight(methods));
        }
        let allowed = methods.split(", ").any(|known| known == method.as_str());
        if allowed { Ok(route) } else { Err(Unrouted::Method(methods)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods() {
        let feed: FeedId = "ticks".parse().unwrap();
        assert_eq!(Route::of(&Method::GET, "/feeds/ticks/session"), Ok(Route::Session(feed.clone())));
        assert_eq!(Route::of(&Method::GET, "/feeds/ticks/ws"), Ok(Route::Stream(feed)));
        assert_eq!(Route::of(&Method::HEAD, "/feeds"), Ok(Route::Feeds));
        assert_eq!(Route::of(&Method::POST, "/settle"), Ok(Route::Settle));
        assert_eq!(Route::of(&Method::GET, "/settle"), Err(Unrouted::Method("POST, OPTIONS")));
        assert_eq!(Route::of(&Method::HEAD, "/feeds/ticks/ws"), Err(Unrouted::Method("GET, OPTIONS")));
        assert_eq!(Route::of(&Method::OPTIONS, "/feeds"), Err(Unrouted::Preflight("GET, HEAD, OPTIONS")));
        let settlement = Route::Settlement(Network::BASE, "0xab".into());
        for path in ["/settle/eip155:8453/0xab", "/settle/base/0xab", "/settle/eip155%3A8453/0xab"] {
            assert_eq!(Route::of(&Method::GET, path), Ok(settlement.clone()), "{path}");
        }
        for path in
            ["/settle/", "/settle/base", "/settle/base/", "/settle/cosmos:hub/0xab", "/settle/base/%20"]
        {
            assert_eq!(Route::of(&Method::GET, path), Err(Unrouted::NotFound), "{path}");
        }
        for path in
            ["/", "", "/feeds/", "/feeds/ticks", "/feeds/TICKS/ws", "/feeds/a/ws/", "/feeds/../ws", "//feeds"]
        {
            assert_eq!(Route::of(&Method::GET, path), Err(Unrouted::NotFound), "{path}");
        }
    }
}
