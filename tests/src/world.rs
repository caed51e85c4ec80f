//! A feed, and a facilitator that sells it.

use crate::agent::Agent;
use crate::facilitator::{ADMIN_TOKEN, Facilitator};
use crate::http::{Answer, get, try_send};
use crate::settings::{Feed, Settings};
use serde_json::Value;
use std::time::Duration;
use tollwire_testkit::feed::{Mode, SampleFeed};

/// One feed, `ticks`, behind one facilitator.
#[derive(Debug)]
pub struct World {
    pub feed: SampleFeed,
    pub facilitator: Facilitator,
}

impl World {
    /// Starts both; `adjust` changes the configuration before.
    pub async fn start(mode: Mode, adjust: impl FnOnce(&mut Settings)) -> Self {
        let feed = SampleFeed::start(mode).await.unwrap();
        let mut settings = Settings::dev(vec![Feed::ticks(feed.url("/stream"))]);
        adjust(&mut settings);
        Self { facilitator: Facilitator::start(settings).await, feed }
    }

    /// Buys 100, 10 or 1 units; gives the token.
    pub async fn token(&self, units: u64) -> String {
        token(&self.facilitator, units).await
    }

    /// The path of a stream with a token.
    pub fn target(token: &str) -> String {
        format!("/feeds/ticks/ws?token={token}")
    }

    /// The URL of a stream with a token.
    pub fn ws(&self, token: &str) -> String {
        self.facilitator.ws_url(&Self::target(token))
    }

    /// What the ledger says of a session.
    pub async fn online(&self, token: &str) -> Value {
        online(&self.facilitator, token).await
    }

    /// Units left.
    pub async fn remaining(&self, token: &str) -> u64 {
        self.online(token).await["units_remaining"].as_u64().unwrap()
    }

    /// Waits until the session has no live stream.
    pub async fn settled(&self, token: &str, within: Duration) {
        let ended = async {
            while self.online(token).await["live_streams"] != 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(within, ended).await.expect("a stream is still live");
    }

    /// A request of the operator's.
    pub async fn admin(&self, method: http::Method, path: &str, body: &str) -> Answer {
        admin(&self.facilitator, method, path, body).await
    }
}

/// Buys 100, 10 or 1 units of the feed `ticks`; gives the token.
pub async fn token(facilitator: &Facilitator, units: u64) -> String {
    let paid = Agent::new().buy(&facilitator.url("/feeds/ticks/session"), units * 10_000).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    paid.json()["token"].as_str().unwrap().to_owned()
}

/// What the ledger says of a session.
pub async fn online(facilitator: &Facilitator, token: &str) -> Value {
    get(&facilitator.url("/session"), &[("authorization", &format!("Bearer {token}"))]).await.json()
}

/// A request of the operator's.
pub async fn admin(facilitator: &Facilitator, method: http::Method, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    try_send(method, &facilitator.admin_url(path), &headers, body.to_owned()).await.unwrap()
}
