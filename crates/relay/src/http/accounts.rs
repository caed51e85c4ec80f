//! What of the gate is served here: prepaid accounts, and nothing that is about feeds.

use http::Uri;
use http::uri::PathAndQuery;

/// Whether a public path is the gate's: accounts are bought, shown, topped up and closed there.
pub(super) fn is_public(path: &str) -> bool {
    matches!(path, "/session" | "/session/top-up" | "/session/receipt" | "/.well-known/jwks.json")
        || path.strip_prefix("/feeds/").and_then(|rest| rest.strip_suffix("/session")).is_some()
}

/// The gate's own name of an admin path; here `sessions` are the bridge's.
pub(super) fn admin(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let own = match path.strip_prefix("/admin/accounts") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/admin/sessions{rest}"),
        _ if matches!(path, "/admin/ledger" | "/admin/ledger/balance" | "/admin/payouts") => path.to_owned(),
        _ => return None,
    };
    let own = uri.query().map_or_else(|| own.clone(), |query| format!("{own}?{query}"));
    own.parse::<PathAndQuery>().ok().map(Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_accounts_is_the_gates() {
        for path in ["/session", "/session/top-up", "/feeds/prepaid/session", "/.well-known/jwks.json"] {
            assert!(is_public(path), "{path}");
        }
        for path in ["/feeds/prepaid/ws", "/feeds", "/settle", "/verify", "/sessions", "/relay/session"] {
            assert!(!is_public(path), "{path}");
        }
        let own = |path: &str| admin(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(own("/admin/accounts?limit=5").as_deref(), Some("/admin/sessions?limit=5"));
        assert_eq!(own("/admin/accounts/x/close").as_deref(), Some("/admin/sessions/x/close"));
        assert_eq!(own("/admin/ledger").as_deref(), Some("/admin/ledger"));
        for path in ["/admin/sessions", "/admin/accountsx", "/admin/apis", "/admin/feeds"] {
            assert_eq!(own(path), None, "{path}");
        }
    }
}
