//! Feeds, from the file's words to the gate's.

use crate::config::{Count, Exhausted, Feed as Written, File, UpstreamAuth as WrittenAuth};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tollwire_gate::feed::{Origin, default_low_water};
use tollwire_gate::{Feed, FeedError, FeedRegistry};
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_proxy::{Counted, FeedRoute, UpstreamAuth, WhenExhausted};
use tollwire_settlement::ChainInfo;
use tollwire_x402::FeedId;
use url::Url;

/// All feeds of a file, ready for the registry of these chains.
pub(crate) fn feeds(file: &Loaded<File>, chains: Vec<ChainInfo>) -> Result<Vec<Feed>, Error> {
    let feeds = read(file)?;
    // Each by itself, so that an error can name the one that cannot be sold.
    let trial = FeedRegistry::new(chains, Duration::from_secs(1));
    for (position, feed) in feeds.iter().enumerate() {
        trial.add(feed.clone(), Origin::Configuration).map_err(|error| match error {
            FeedError::Field { field, rule } => file.error(format!("feed[{position}].{field}"), rule),
            other => file.error(format!("feed[{position}]"), other.to_string()),
        })?;
    }
    Ok(feeds)
}

fn read(file: &Loaded<File>) -> Result<Vec<Feed>, Error> {
    let limits = Arc::new(stream_limits(file));
    let all = file.value.feed.iter().enumerate();
    all.map(|(position, written)| {
        let fail = |key: &str, reason: String| file.error(format!("feed[{position}].{key}"), reason);
        feed(file, written, &limits, &fail)
    })
    .collect()
}

fn feed(
    file: &Loaded<File>,
    written: &Written,
    limits: &Arc<tollwire_wire::Limits>,
    fail: &dyn Fn(&str, String) -> Error,
) -> Result<Feed, Error> {
    let upstream: Url = written
        .upstream
        .resolve()?
        .parse()
        .map_err(|error: url::ParseError| fail("upstream", error.to_string()))?;
    let id = match &written.id {
        Some(id) => id.clone(),
        None => generated_id(&upstream).map_err(|error| fail("id", error.to_string()))?,
    };
    let mut route = FeedRoute::new(id, upstream);
    for (name, value) in &written.upstream_headers {
        let key = format!("upstream_headers.{name}");
        let value = value.resolve()?;
        let name = http::HeaderName::try_from(name).map_err(|error| fail(&key, error.to_string()))?;
        let mut value = http::HeaderValue::try_from(value)
            .map_err(|_| fail(&key, "not a header value: visible ASCII only".into()))?;
        value.set_sensitive(true);
        route.upstream_headers.append(name, value);
    }
    route.upstream_auth = match written.upstream_auth {
        WrittenAuth::None => UpstreamAuth::None,
        WrittenAuth::StreamToken => UpstreamAuth::StreamToken,
    };
    route.exhausted = match written.exhausted {
        Exhausted::Refuse => WhenExhausted::Refuse,
        Exhausted::Close => WhenExhausted::Close,
    };
    route.unit = written.unit;
    route.counted = match written.count {
        Count::Down => Counted::Down,
        Count::Up => Counted::Up,
        Count::Both => Counted::Both,
    };
    route.streams_max = written.streams_per_session;
    route.low_water = written.low_water.unwrap_or_else(|| default_low_water(&written.deposit_units));
    route.max_stream = written.max_stream.0;
    route.limits = Arc::clone(limits);
    route.check().map_err(|error| fail("upstream", error.to_string()))?;
    let networks = match &written.networks {
        Some(networks) => networks.clone(),
        None => file.value.chain.iter().map(crate::config::Chain::network).collect(),
    };
    Ok(Feed {
        description: written.description.clone().unwrap_or_else(|| format!("Live feed {}", route.feed)),
        route,
        price: written
            .price
            .parse()
            .map_err(|error: tollwire_x402::Error| fail("price", error.to_string()))?,
        deposit_units: written.deposit_units.clone(),
        networks,
        provider_wallet: written.provider_wallet.clone(),
        dpop: written.dpop,
        paused: written.paused,
    })
}

/// The same upstream gets the same id after every restart.
fn generated_id(upstream: &Url) -> Result<FeedId, tollwire_x402::Error> {
    let digest = Sha256::digest(upstream.as_str());
    format!("feed-{}", hex::encode(digest.get(..8).unwrap_or_default())).parse()
}

pub(super) fn stream_limits(file: &Loaded<File>) -> tollwire_wire::Limits {
    let written = &file.value.limits;
    let mut limits = tollwire_wire::Limits::default();
    limits.frame_bytes_max = written.frame_bytes;
    limits.message_bytes_max = written.message_bytes;
    limits.control_frames_per_sec = written.control_frames;
    limits.stall = written.stall.0;
    limits.idle = written.idle.map(|idle| idle.0);
    limits.close_grace = written.close_grace.0;
    limits.close_wait = written.close_wait.0;
    limits
}
