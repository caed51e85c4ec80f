//! `[[api]]`.

use serde::Deserialize;
use std::collections::BTreeMap;
use tollwire_ops::config::MaybeEnv;
use tollwire_x402::{ApiId, Network};

/// One API that can be called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    /// Its name in envelopes and URLs.
    pub(crate) id: ApiId,
    /// `http://` or `https://`, or `env:NAME` holding one.
    pub(crate) base_url: MaybeEnv,
    /// Header lines for every request.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, MaybeEnv>,
    /// Whether it may be reached at an address that is not public.
    #[serde(default)]
    pub(crate) allow_private: bool,
    /// How it wants its payments, if it prices itself.
    #[serde(default)]
    pub(crate) payment_header: PaymentHeader,
    /// What a call costs in USDC; left out for an API that prices itself.
    pub(crate) price: Option<String>,
    /// Who is paid, per network.
    #[serde(default)]
    pub(crate) pay_to: BTreeMap<Network, String>,
}

/// `payment_header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PaymentHeader {
    /// That of the payment's own version.
    #[default]
    Auto,
    /// Both.
    Both,
}
