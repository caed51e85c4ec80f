//! Which web pages may use the broker. Programs send no `Origin`; browsers always do, and with it a page of anybody's
//! would reach a broker on its reader's own machine, and the private APIs behind it.

use http::HeaderMap;
use http::header::ORIGIN;
use std::collections::BTreeSet;
use url::Url;

/// The origins that are let in beside programs without any.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    known: BTreeSet<String>,
}

/// Not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write an origin such as https://app.example.com, or \"*\" for every page")]
pub struct UnknownOrigin;

impl Origins {
    /// Pages of `public_url` itself, and these; `*` lets every page in.
    pub fn new(public_url: &Url, listed: &[String]) -> Result<Self, UnknownOrigin> {
        let mut origins =
            Self { any: false, known: BTreeSet::from([public_url.origin().ascii_serialization()]) };
        for text in listed {
            if text == "*" {
                origins.any = true;
                continue;
            }
            let url: Url = text.parse().map_err(|_| UnknownOrigin)?;
            let origin = url.origin().ascii_serialization();
            if origin == "null" || origin != text.trim_end_matches('/') {
                return Err(UnknownOrigin);
            }
            origins.known.insert(origin);
        }
        Ok(origins)
    }

    /// Whether a request may go on.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => {
                self.any || origin.to_str().is_ok_and(|origin| self.known.contains(origin))
            }
            (Some(_), Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_pages_and_programs_are_let_in() {
        let ours: Url = "https://broker.example/api".parse().unwrap();
        let origins = Origins::new(&ours, &["https://app.example:8443".into()]).unwrap();
        let allowed = |all: &[&str]| {
            let mut headers = HeaderMap::new();
            for origin in all {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            origins.allow(&headers)
        };
        assert!(allowed(&[]));
        assert!(allowed(&["https://broker.example"]));
        assert!(allowed(&["https://app.example:8443"]));
        for bad in ["https://app.example", "http://broker.example", "null", "https://evil.example"] {
            assert!(!allowed(&[bad]), "{bad}");
        }
        assert!(!allowed(&["https://broker.example", "https://broker.example"]));
        assert!(Origins::new(&ours, &["*".into()]).unwrap().any);
        for bad in ["app.example", "https://app.example/path", "data:x", ""] {
            assert_eq!(Origins::new(&ours, &[bad.into()]).unwrap_err(), UnknownOrigin, "{bad}");
        }
    }
}
