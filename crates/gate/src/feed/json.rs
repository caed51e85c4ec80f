//! A feed as JSON, as the configuration file writes it: dollars as text, durations with a unit.

use super::{Dpop, Feed, FeedError};
use crate::error::Error;
use crate::gate::{Gate, random};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tollwire_proxy::{Counted, FeedRoute, UpstreamAuth, WhenExhausted};
use tollwire_x402::{FeedId, Network, Unit, Usdc};
use url::Url;

/// The longest `max_stream`.
const MAX_STREAM_MAX: Duration = Duration::from_hours(30 * 24);

/// What a body is.
const OBJECT: &str = "write one JSON object with members of a feed, each at most once";

/// What each member is.
const MEMBERS: [(&str, &str); 17] = [
    ("id", "write 1 to 64 of a-z, 0-9, '-', '_' and '.'"),
    ("description", "write text"),
    ("upstream", "write a ws:// or wss:// URL"),
    ("upstream_headers", "write an object of header names and values"),
    ("upstream_auth", "write none or stream-token"),
    ("price", "write dollars as text, such as \"0.01\""),
    ("unit", "write stream, second, message or kib"),
    ("count", "write down, up or both"),
    ("streams_per_session", "write a whole number of at least 1"),
    ("low_water", "write a whole number of units"),
    ("deposit_units", "write a list of whole numbers"),
    ("networks", "write a list of CAIP-2 networks, such as eip155:8453"),
    ("provider_wallet", "write an object of CAIP-2 networks and addresses"),
    ("exhausted", "write refuse or close"),
    ("max_stream", "write a duration as text, such as \"24h\""),
    ("dpop", "write off, optional or required"),
    ("paused", "write true or false"),
];

/// What `POST` takes whole and `PATCH` in part, and what is kept of a registered feed.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FeedJson {
    pub(crate) id: Option<FeedId>,
    description: Option<String>,
    upstream: Option<Url>,
    upstream_headers: Option<BTreeMap<String, String>>,
    upstream_auth: Option<String>,
    price: Option<String>,
    unit: Option<Unit>,
    count: Option<String>,
    streams_per_session: Option<u32>,
    low_water: Option<u64>,
    deposit_units: Option<Vec<u64>>,
    networks: Option<Vec<Network>>,
    provider_wallet: Option<BTreeMap<Network, String>>,
    exhausted: Option<String>,
    max_stream: Option<String>,
    dpop: Option<Dpop>,
    paused: Option<bool>,
}

impl FeedJson {
    /// Reads a body. An error names the member and quotes no value: those of headers are secrets.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        // serde would also take a list of values in the order of the members.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(FeedError::field("body", OBJECT).into());
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| misread(error.path()))?;
        json.end().map_err(|_| FeedError::field("body", OBJECT))?;
        Ok(read)
    }

    /// A feed with all its members, header values included: for its store alone.
    pub(crate) fn of(feed: &Feed) -> Self {
        let route = &feed.route;
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let auth = match route.upstream_auth {
            UpstreamAuth::None => "none",
            UpstreamAuth::StreamToken => "stream-token",
        };
        let exhausted = match route.exhausted {
            WhenExhausted::Refuse => "refuse",
            WhenExhausted::Close => "close",
        };
        Self {
            id: Some(route.feed.clone()),
            description: Some(feed.description.clone()),
            upstream: Some(route.upstream.clone()),
            upstream_headers: Some(route.upstream_headers.iter().map(header).collect()),
            upstream_auth: Some(auth.to_owned()),
            price: Some(feed.price.to_string().trim_start_matches('$').to_owned()),
            unit: Some(feed.unit()),
            count: Some(counted_word(route.counted).to_owned()),
            streams_per_session: Some(route.streams_max),
            low_water: Some(route.low_water),
            deposit_units: Some(feed.deposit_units.clone()),
            networks: Some(feed.networks.clone()),
            provider_wallet: Some(feed.provider_wallet.clone()),
            exhausted: Some(exhausted.to_owned()),
            max_stream: Some(format!("{}s", route.max_stream.as_secs())),
            dpop: Some(feed.dpop),
            paused: Some(feed.paused),
        }
    }

    /// A new feed: what is left out has the configuration's defaults; upstream and price cannot be.
    pub(crate) fn into_feed(self, gate: &Gate) -> Result<Feed, Error> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => generated_id()?,
        };
        let upstream = self.upstream.clone().ok_or_else(|| FeedError::field("upstream", "required"))?;
        if self.price.is_none() {
            return Err(FeedError::field("price", "required").into());
        }
        let mut route = FeedRoute::new(id, upstream);
        route.limits = Arc::clone(&gate.config().stream_limits);
        let mut feed = Feed {
            route,
            description: String::new(),
            price: Usdc::ZERO,
            deposit_units: vec![100, 10, 1],
            networks: gate.settler.chains().iter().map(|chain| chain.info().network).collect(),
            provider_wallet: BTreeMap::new(),
            dpop: Dpop::default(),
            paused: false,
        };
        let low_water = self.low_water;
        self.apply(gate, &mut feed)?;
        feed.route.low_water = low_water.unwrap_or_else(|| default_low_water(&feed.deposit_units));
        Ok(feed)
    }

    /// Changes what is given.
    pub(crate) fn apply(self, gate: &Gate, feed: &mut Feed) -> Result<(), FeedError> {
        if let Some(upstream) = self.upstream {
            feed.route.upstream = checked_upstream(upstream, &gate.config().upstream_hosts)?;
        }
        if let Some(headers) = self.upstream_headers {
            feed.route.upstream_headers = checked_headers(headers)?;
        }
        if let Some(auth) = self.upstream_auth {
            feed.route.upstream_auth = match auth.as_str() {
                "none" => UpstreamAuth::None,
                "stream-token" => UpstreamAuth::StreamToken,
                _ => return Err(FeedError::field("upstream_auth", "write none or stream-token")),
            };
        }
        if let Some(price) = self.price {
            feed.price = price.parse().map_err(|error| FeedError::field("price", format!("{error}")))?;
        }
        if let Some(count) = self.count {
            let rule = || FeedError::field("count", "write down, up or both");
            feed.route.counted = counted(&count).ok_or_else(rule)?;
        }
        if let Some(exhausted) = self.exhausted {
            feed.route.exhausted = match exhausted.as_str() {
                "refuse" => WhenExhausted::Refuse,
                "close" => WhenExhausted::Close,
                _ => return Err(FeedError::field("exhausted", "write refuse or close")),
            };
        }
        if let Some(text) = self.max_stream {
            let parsed =
                duration(&text).filter(|time| (Duration::from_secs(1)..=MAX_STREAM_MAX).contains(time));
            let rule = "write 1s to 30d, such as 24h";
            feed.route.max_stream = parsed.ok_or_else(|| FeedError::field("max_stream", rule))?;
        }
        feed.description = self.description.unwrap_or_else(|| std::mem::take(&mut feed.description));
        feed.route.unit = self.unit.unwrap_or(feed.route.unit);
        if feed.is_account() {
            return Err(FeedError::field("unit", "write stream, second, message or kib"));
        }
        feed.route.streams_max = self.streams_per_session.unwrap_or(feed.route.streams_max);
        feed.route.low_water = self.low_water.unwrap_or(feed.route.low_water);
        feed.deposit_units = self.deposit_units.unwrap_or_else(|| std::mem::take(&mut feed.deposit_units));
        feed.dpop = self.dpop.unwrap_or(feed.dpop);
        feed.paused = self.paused.unwrap_or(feed.paused);
        feed.networks = self.networks.unwrap_or_else(|| std::mem::take(&mut feed.networks));
        feed.provider_wallet =
            self.provider_wallet.unwrap_or_else(|| std::mem::take(&mut feed.provider_wallet));
        Ok(())
    }
}

/// The units at which an agent is told that its balance is low, unless the feed says: a fifth of the smallest deposit.
pub fn default_low_water(deposit_units: &[u64]) -> u64 {
    deposit_units.iter().min().map_or(1, |smallest| (smallest / 5).max(1))
}

/// Whose frames count, from the word for it.
fn counted(word: &str) -> Option<Counted> {
    [Counted::Down, Counted::Up, Counted::Both].into_iter().find(|counted| counted_word(*counted) == word)
}

/// The word for whose frames count.
pub(crate) const fn counted_word(counted: Counted) -> &'static str {
    match counted {
        Counted::Down => "down",
        Counted::Up => "up",
        Counted::Both => "both",
    }
}

/// The error for a body that could not be read at `path`.
fn misread(path: &serde_path_to_error::Path) -> FeedError {
    let Some(serde_path_to_error::Segment::Map { key }) = path.iter().next() else {
        return FeedError::field("body", OBJECT);
    };
    if let Some((name, rule)) = MEMBERS.iter().find(|(name, _)| name == key) {
        return FeedError::field(name, *rule);
    }
    let start: String = key.chars().filter(|c| !c.is_control()).take(32).collect();
    FeedError::field("body", format!("{start} is no member of a feed"))
}

/// Where a feed registered at run time may point; the form of the URL is checked with the whole feed.
fn checked_upstream(upstream: Url, hosts: &[String]) -> Result<Url, FeedError> {
    let allowed = |host: &str| hosts.is_empty() || hosts.iter().any(|allowed| allowed == host);
    if upstream.host_str().is_some_and(allowed) {
        Ok(upstream)
    } else {
        Err(FeedError::field("upstream", "write a URL on a host that upstream_hosts allows"))
    }
}

fn checked_headers(headers: BTreeMap<String, String>) -> Result<http::HeaderMap, FeedError> {
    let mut checked = http::HeaderMap::new();
    for (name, value) in headers {
        // The value is a secret: no error quotes it.
        let rule = || FeedError::field("upstream_headers", "write header names and visible ASCII values");
        let name: http::HeaderName = name.parse().map_err(|_| rule())?;
        let mut value: http::HeaderValue = value.parse().map_err(|_| rule())?;
        value.set_sensitive(true);
        checked.insert(name, value);
    }
    Ok(checked)
}

/// `90s`, `15m`, `24h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = Some(number).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(secs).map(Duration::from_secs)
}

fn generated_id() -> Result<FeedId, Error> {
    Ok(format!("feed-{}", hex::encode(random::<8>()?)).parse()?)
}
