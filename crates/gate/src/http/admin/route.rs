//! Which admin route a path is.

use tollwire_x402::{FeedId, SessionId};

/// An admin route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Metrics,
    Healthz,
    Readyz,
    Feeds,
    Feed(FeedId),
    Overview,
    Sessions,
    Session(SessionId),
    Revoke(SessionId),
    Close(SessionId),
    Refund(SessionId),
    InDoubt,
    Chains,
    Ledger,
    Balance,
    Payouts,
    Backup,
}

impl Route {
    /// The route of a path, if there is one.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/admin/overview" => Self::Overview,
            "/admin/feeds" => Self::Feeds,
            "/admin/sessions" => Self::Sessions,
            "/admin/payments/in-doubt" => Self::InDoubt,
            "/admin/chains" => Self::Chains,
            "/admin/ledger" => Self::Ledger,
            "/admin/ledger/balance" => Self::Balance,
            "/admin/payouts" => Self::Payouts,
            "/admin/backup" => Self::Backup,
            _ => match path.strip_prefix("/admin/")?.split_once('/')? {
                ("feeds", feed) => Self::Feed(feed.parse().ok()?),
                ("sessions", rest) => {
                    let (session, verb) = rest.split_once('/').unwrap_or((rest, ""));
                    let session = session.parse().ok()?;
                    match verb {
                        "" if !rest.contains('/') => Self::Session(session),
                        "revoke" => Self::Revoke(session),
                        "close" => Self::Close(session),
                        "refund" => Self::Refund(session),
                        _ => return None,
                    }
                }
                _ => return None,
            },
        })
    }

    /// What it takes, as `Allow` lists it.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Metrics
            | Self::Healthz
            | Self::Readyz
            | Self::Overview
            | Self::Sessions
            | Self::Session(_)
            | Self::InDoubt
            | Self::Chains
            | Self::Ledger
            | Self::Balance => "GET, HEAD",
            Self::Feeds | Self::Payouts => "GET, HEAD, POST",
            Self::Feed(_) => "GET, HEAD, PATCH, DELETE",
            Self::Revoke(_) | Self::Close(_) | Self::Refund(_) | Self::Backup => "POST",
        }
    }

    /// Whether it wants no token.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Metrics | Self::Healthz | Self::Readyz)
    }
}
