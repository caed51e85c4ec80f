//! Asks the facilitator what is left of a session.

use crate::Error;
use crate::fetch::{Client, join};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use std::time::Duration;
use tollwire_x402::{FeedId, SessionId};

const ANSWER_BYTES_MAX: usize = 16 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of the facilitator's `GET /session`.
///
/// For providers that take session tokens themselves: a token says who paid, this says what is left.
#[derive(Debug, Clone)]
pub struct OnlineCheck {
    client: Client,
    uri: Uri,
}

/// What the facilitator says about a session. Members beyond `active` may be missing when it is not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SessionStatus {
    /// Whether the session can still be used: neither refused, revoked nor past its balance's life.
    pub active: bool,
    /// The session.
    pub jti: Option<SessionId>,
    /// Its feed.
    pub feed: Option<FeedId>,
    /// Units neither used nor held.
    pub units_remaining: Option<u64>,
    /// Streams open at present.
    pub live_streams: Option<u64>,
    /// When its tokens stop admitting (RFC 3339).
    pub expires_at: Option<String>,
}

impl OnlineCheck {
    /// A client of the facilitator with this `public_url`.
    pub fn new(public_url: &str) -> Result<Self, Error> {
        Ok(Self { client: Client::new()?, uri: join("public_url", public_url, "/session")? })
    }

    /// Asks about the session of this token. A token that the facilitator refuses (401, 403) is not active; every
    /// other failure is an error, and says nothing about the session.
    pub async fn check(&self, token: &str) -> Result<SessionStatus, Error> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::Setting("a token is visible ASCII"))?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let answer = self.client.get(&self.uri, headers, ANSWER_BYTES_MAX, TIMEOUT).await?;
        match answer.status() {
            StatusCode::OK => {
                serde_json::from_slice(answer.body()).map_err(|error| Error::Answer(error.into()))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(SessionStatus::inactive()),
            status => Err(Error::Status(status.as_u16())),
        }
    }
}

impl SessionStatus {
    fn inactive() -> Self {
        Self {
            active: false,
            jti: None,
            feed: None,
            units_remaining: None,
            live_streams: None,
            expires_at: None,
        }
    }
}
