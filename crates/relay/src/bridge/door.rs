//! Who may open a connection: the token of the handshake, and the seat it leads to.

use super::hub::{AgentSeat, AppSeat};
use super::inner::Inner;
use super::start::Bridge;
use super::token::{Party, TokenHash};
use super::{PING, agent, app};
use crate::Limits;
use crate::http::Answer;
use crate::runtime::{self, Budget, Ending, Outbox, Socket};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_x402::close::CloseCode;

/// How much larger a frame may be before it ends the connection: below it is answered by an error.
const FRAME_SLACK: usize = 4;

/// The two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `/v1/ws/app`.
    App,
    /// `/v1/ws/agent`.
    Agent,
}

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    party: Party,
    token: TokenHash,
}

impl Bridge {
    /// Whose request it is, or the answer that refuses it.
    pub(crate) fn admit<B>(&self, door: Door, request: &Request<B>) -> Result<Guest, Box<Answer>> {
        let inner = self.inner();
        let guest = handshake_token(request.headers(), request.uri().query()).and_then(|token| {
            let party = Party::of_token(&token)?;
            let hash = inner.directory.key().hash(&token);
            let fits = matches!((&party, door), (Party::App(_), Door::App) | (Party::Agent(_), Door::Agent));
            let good = inner.directory.present().knows(&party, &hash, inner.now());
            (good && fits).then_some(Guest { party, token: hash })
        });
        let guest = guest.ok_or_else(|| Box::new(unauthorized()))?;
        if let Party::App(id) = &guest.party
            && inner.hub.count(id) >= inner.connections_max(id)
        {
            return Err(Box::new(refused(
                StatusCode::TOO_MANY_REQUESTS,
                "too many connections of this app",
                "RATE_LIMITED",
            )));
        }
        Ok(guest)
    }

    /// The longest message that a connection takes, in bytes.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        let limits = &self.inner().limits;
        limits.payload_bytes_max.max(limits.reply_bytes_max).saturating_mul(FRAME_SLACK)
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(
        &self,
        guest: Guest,
        socket: Socket,
        (limits, tasks): (&Limits, &TaskTracker),
        ends: (CancellationToken, CancellationToken),
    ) -> Ending {
        let inner = self.inner();
        let (id, budget) = (inner.connection(), Budget::new(limits.queue_bytes_max));
        let outbox = Outbox::new(limits.queue_bytes_max);
        match guest.party {
            Party::App(app) => {
                let outbox = Arc::new(outbox);
                let seat = Arc::new(AppSeat::new(id, app, guest.token, Arc::clone(&outbox)));
                if !inner.hub.join_app(&seat, inner.connections_max(&seat.app)) {
                    outbox.cut(CloseCode::RateLimited);
                }
                let (link, work) = app::link(inner, &seat, budget);
                tasks.spawn(Box::pin(work.run()));
                runtime::run(socket, &link, &outbox, limits, ends).await
            }
            Party::Agent(agent) => {
                let outbox = Arc::new(outbox.pinging_with(PING));
                let seat = Arc::new(AgentSeat {
                    id,
                    agent,
                    token: guest.token,
                    outbox: Arc::clone(&outbox),
                    wake: tokio::sync::Notify::new(),
                });
                if let Some(older) = inner.hub.join_agent(&seat) {
                    older.outbox.cut(CloseCode::Replaced);
                }
                let (link, work) = agent::link(inner, &seat, budget);
                tasks.spawn(Box::pin(work.run()));
                runtime::run(socket, &link, &outbox, limits, ends).await
            }
        }
    }
}

impl Inner {
    fn connections_max(&self, app: &super::AppId) -> usize {
        let own = self.directory.present().apps.get(app).and_then(|app| app.connections);
        own.unwrap_or(self.limits.app_connections_max)
    }
}

/// The one token of a request: two that differ are none.
pub(crate) fn handshake_token<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Cow::Borrowed(token.trim()))
    });
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut in_query = pairs.filter(|(name, _)| name == "token").map(|(_, value)| Some(value));
    let mut all = bearers.by_ref().chain(in_query.by_ref());
    let first = all.next().flatten()?;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn unauthorized() -> Answer {
    let mut answer =
        refused(StatusCode::UNAUTHORIZED, "a token is needed that is good for this path", "UNAUTHORIZED");
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn refused(status: StatusCode, why: &str, code: &str) -> Answer {
    crate::http::json(status, &json!({ "error": why, "code": code }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_in_one_place() {
        let one = |headers: &[&str], query: Option<&str>| {
            let mut map = HeaderMap::new();
            for value in headers {
                map.append(AUTHORIZATION, value.parse().unwrap());
            }
            handshake_token(&map, query).map(Cow::into_owned)
        };
        assert_eq!(one(&["Bearer a"], None).as_deref(), Some("a"));
        assert_eq!(one(&["bearer a"], Some("x=1")).as_deref(), Some("a"));
        assert_eq!(one(&[], Some("x=1&token=a%62")).as_deref(), Some("ab"));
        assert_eq!(one(&["Bearer a"], Some("token=a")).as_deref(), Some("a"), "twice the same");
        for (headers, query) in [
            (&[][..], None),
            (&["Basic a"][..], None),
            (&["Bearer a"][..], Some("token=b")),
            (&["Bearer a", "Bearer b"][..], None),
            (&[][..], Some("token=a&token=b")),
            (&["Basic a"][..], Some("token=b")),
        ] {
            assert_eq!(one(headers, query), None, "{headers:?} {query:?}");
        }
    }
}
