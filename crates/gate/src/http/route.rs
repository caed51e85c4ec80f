//! The public routes: one table that the router, the preflight, `Allow` and the OpenAPI document share.

use http::Method;
use tollwire_x402::FeedId;

/// Where units are added to a session.
pub(crate) const TOP_UP: &str = "/session/top-up";

/// Where a session's receipt is.
pub(super) const RECEIPT: &str = "/session/receipt";

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
            _ => {
                let (feed, leaf) = path.strip_prefix("/feeds/")?.split_once('/')?;
                let feed = feed.parse().ok()?;
                match leaf {
                    "session" => Self::Session(feed),
                    "ws" => Self::Stream(feed),
                    _ => return None,
                }
            }
        })
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
        for path in
            ["/", "", "/feeds/", "/feeds/ticks", "/feeds/TICKS/ws", "/feeds/a/ws/", "/feeds/../ws", "//feeds"]
        {
            assert_eq!(Route::of(&Method::GET, path), Err(Unrouted::NotFound), "{path}");
        }
    }
}
