//! Settings from the environment, each with a default that works beside `facilitator dev`.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use tollwire_middleware::Accept;
use tollwire_x402::FeedId;

/// What an example provider needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `FACILITATOR`: the facilitator's `public_url`.
    pub facilitator: String,
    /// `LISTEN`: where to listen.
    pub listen: SocketAddr,
    /// `FEED`: the feed's id at the facilitator.
    pub feed: FeedId,
    /// `WALLET`: where the provider is paid out.
    pub wallet: String,
    /// `ACCEPT`: which tokens open the feed.
    pub accept: Accept,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            facilitator: variable("FACILITATOR", "http://127.0.0.1:4020"),
            listen: variable("LISTEN", "127.0.0.1:9100").parse()?,
            feed: variable("FEED", "ticks").parse()?,
            wallet: variable("WALLET", "0x0000000000000000000000000000000000000000"),
            accept: match variable("ACCEPT", "stream").as_str() {
                "stream" => Accept::StreamTokens,
                "session" => Accept::SessionTokens,
                _ => return Err("ACCEPT is \"stream\" or \"session\"".into()),
            },
        })
    }
}

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
