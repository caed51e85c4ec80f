//! What people do over HTTP: sessions and their tokens, auto-pay, the account that pays, and which agents there are.

use super::inner::Inner;
use super::people::Holder;
use super::phase::State;
use super::purse::{AutoPay, Purse};
use super::record::Record;
use super::say::dollars;
use super::sessions::{self, NotBegun};
use super::start::Orchestrator;
use crate::http::{Answer, Problem, json as answer, not_with, nothing_here};
use crate::store::StoreError;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Method, StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use tollwire_x402::Usdc;

/// Below it stand sessions.
const SESSIONS: &str = "/api/sessions";
/// Below it stand agents.
const AGENTS: &str = "/api/agents";
/// What auto-pay may do.
const AUTO_PAY: &str = "/auth/auto-pay";
/// The account that pays.
const ACCOUNT: &str = "/auth/account";
/// Below it sessions are opened.
const SOCKETS: &str = "/ws/user-agent/";

/// Where an API key may stand beside `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest body of a request, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Agents of one page, unless another number is asked for, and at most.
const PAGE: usize = 20;
const PAGE_MAX: usize = 100;

/// Whether a path is ours.
pub(crate) fn is_ours(path: &str) -> bool {
    let below =
        |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(SESSIONS) || below(AGENTS) || path == AUTO_PAY || path == ACCOUNT || path.starts_with(SOCKETS)
}

/// The session whose WebSocket a path is.
pub(crate) fn socket_of(path: &str) -> Option<&str> {
    path.strip_prefix(SOCKETS).filter(|id| !id.is_empty() && !id.contains('/'))
}

/// The new settings of auto-pay; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoPayBody {
    #[serde(default, rename = "auto_pay_enabled")]
    enabled: Option<bool>,
    #[serde(default, rename = "auto_pay_max_per_job")]
    per_job: Option<Box<RawValue>>,
    #[serde(default, rename = "auto_pay_max_per_day")]
    per_day: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountBody {
    /// A session token of the account.
    token: String,
}

impl Orchestrator {
    /// Answers a request to one of our paths. `body` has been read whole, or was too long.
    pub(crate) async fn answer(&self, head: &Parts, body: Option<&[u8]>) -> Answer {
        let inner = self.inner();
        let Some(body) = body else { return bad("the body is too long, or came too late") };
        let path = head.uri.path();
        if let Some(rest) = path.strip_prefix(AGENTS) {
            return inner.agents(head, rest.trim_start_matches('/')).await;
        }
        let person = match inner.person(&head.headers).await {
            Ok(Some(person)) => person,
            Ok(None) => return unauthorized(),
            Err(error) => return unavailable(&error),
        };
        let outcome = match (path, &head.method) {
            (AUTO_PAY, &Method::GET | &Method::HEAD) => inner.auto_pay(&person).await,
            (AUTO_PAY, &Method::PATCH) => inner.set_auto_pay(&person, body).await,
            (AUTO_PAY, _) => return not_with("GET, HEAD, PATCH"),
            (ACCOUNT, &Method::GET | &Method::HEAD) => inner.account(&person).await,
            (ACCOUNT, &Method::PUT) => inner.link_account(&person, Some(body)).await,
            (ACCOUNT, &Method::DELETE) => inner.link_account(&person, None).await,
            (ACCOUNT, _) => return not_with("GET, HEAD, PUT, DELETE"),
            _ => return inner.sessions(&person, head, path.strip_prefix(SESSIONS)).await,
        };
        outcome.unwrap_or_else(|error| unavailable(&error))
    }
}

impl Inner {
    /// Whose API key a request shows.
    async fn person(&self, headers: &HeaderMap) -> Result<Option<Holder>, StoreError> {
        let bearer = one(headers, &AUTHORIZATION).and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
        let Some(key) = bearer.or_else(|| one(headers, &API_KEY)) else { return Ok(None) };
        self.people.admit(&self.keys, key, self.now()).await
    }

    async fn sessions(self: &Arc<Self>, person: &Holder, head: &Parts, below: Option<&str>) -> Answer {
        let Some(below) = below else { return nothing_here() };
        let words: Vec<&str> = below.split('/').skip(1).collect();
        let id = person.id.as_str();
        match (words.as_slice(), &head.method) {
            ([], &Method::POST) => match self.begin(person).await {
                Ok(begun) => answer(StatusCode::CREATED, &begun),
                Err(NotBegun::Store(error)) => unavailable(&error),
                Err(error @ NotBegun::TooMany) => {
                    Problem::new(StatusCode::CONFLICT, "too-many", error.to_string()).into_answer()
                }
            },
            ([], &Method::GET | &Method::HEAD) => match self.sessions_of(id).await {
                Ok(all) => answer(StatusCode::OK, &json!({ "sessions": all })),
                Err(error) => unavailable(&error),
            },
            ([], _) => not_with("GET, HEAD, POST"),
            ([session], method) => match (self.session_of(id, session).await, method) {
                (Err(error), _) => unavailable(&error),
                (Ok(None), _) => unknown("there is no such session"),
                (Ok(Some(record)), &Method::GET | &Method::HEAD) => {
                    answer(StatusCode::OK, &sessions::shown(session, &record))
                }
                (Ok(Some(_)), &Method::DELETE) => match self.close(session).await {
                    Ok(state) => {
                        let status =
                            if state == State::Closed { StatusCode::OK } else { StatusCode::ACCEPTED };
                        answer(status, &json!({ "session_id": session, "phase": state.phase() }))
                    }
                    Err(error) => unavailable(&error),
                },
                (Ok(Some(_)), _) => not_with("GET, HEAD, DELETE"),
            },
            ([session, "token"], &Method::POST) => match self.session_of(id, session).await {
                Err(error) => unavailable(&error),
                Ok(record) if record.as_ref().is_none_or(Record::is_over) => {
                    unknown("there is no such session, or it is over")
                }
                Ok(_) => match self.opened(person, session, self.now()) {
                    Some(opened) => answer(StatusCode::OK, &opened),
                    None => nothing_here(),
                },
            },
            ([_, "token"], _) => not_with("POST"),
            _ => nothing_here(),
        }
    }

    async fn auto_pay(&self, person: &Holder) -> Result<Answer, StoreError> {
        let purse = self.purses.of(person.id.as_str()).await?;
        Ok(answer(StatusCode::OK, &self.auto_pay_of(&purse)))
    }

    fn auto_pay_of(&self, purse: &Purse) -> Value {
        json!({
            "auto_pay_enabled": purse.auto.enabled,
            "auto_pay_max_per_job": dollars(purse.auto.per_job),
            "auto_pay_max_per_day": dollars(purse.auto.per_day),
            "spent_today": dollars(purse.spent_on(self.now())),
        })
    }

    async fn set_auto_pay(&self, person: &Holder, body: &[u8]) -> Result<Answer, StoreError> {
        let body: AutoPayBody = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return Ok(bad(&error.to_string())),
        };
        let read = |raw: Option<Box<RawValue>>| raw.map(|raw| amount(&raw)).transpose();
        let (Ok(per_job), Ok(per_day)) = (read(body.per_job), read(body.per_day)) else {
            return Ok(bad("amounts are USDC with six decimals at most, such as \"0.05\""));
        };
        let purse = self
            .purses
            .change(person.id.as_str(), |purse| {
                purse.auto = AutoPay {
                    enabled: body.enabled.unwrap_or(purse.auto.enabled),
                    per_job: per_job.unwrap_or(purse.auto.per_job),
                    per_day: per_day.unwrap_or(purse.auto.per_day),
                };
                purse.clone()
            })
            .await?;
        Ok(answer(StatusCode::OK, &self.auto_pay_of(&purse)))
    }

    async fn account(&self, person: &Holder) -> Result<Answer, StoreError> {
        let purse = self.purses.of(person.id.as_str()).await?;
        let balance = match (&self.accounts, &purse.account) {
            (Some(gate), Some(account)) => gate.balance_of(account).await?,
            _ => None,
        };
        let balance = balance.and_then(Usdc::from_atomic).map(dollars);
        Ok(answer(StatusCode::OK, &json!({ "account": purse.account, "balance_usdc": balance })))
    }

    /// Links the account of a session token, or none.
    async fn link_account(&self, person: &Holder, body: Option<&[u8]>) -> Result<Answer, StoreError> {
        let account = match (body, &self.accounts) {
            (None, _) => None,
            (Some(_), None) => return Ok(bad("there are no prepaid accounts here")),
            (Some(body), Some(gate)) => {
                let read = serde_json::from_slice::<AccountBody>(body).map_err(|error| error.to_string());
                let account =
                    read.and_then(|body| gate.account(&body.token).map_err(|error| error.to_string()));
                match account {
                    Ok(account) => Some(account),
                    Err(why) => return Ok(bad(&format!("token: {why}"))),
                }
            }
        };
        self.purses.change(person.id.as_str(), |purse| purse.account.clone_from(&account)).await?;
        self.account(person).await
    }

    async fn agents(&self, head: &Parts, slug: &str) -> Answer {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return not_with("GET, HEAD");
        }
        let now = self.now();
        if !slug.is_empty() {
            return match self.agents.get(slug, now).await {
                Ok(Some(agent)) => answer(StatusCode::OK, &self.agents.view(&agent).await),
                Ok(None) => unknown("there is no agent of this slug"),
                Err(error) => unavailable(&error),
            };
        }
        let Some(asked) = Asked::read(head.uri.query().unwrap_or_default()) else {
            return bad("page and per_page: whole numbers from 1; per_page at most 100");
        };
        let all = match self.agents.all(now).await {
            Ok(all) => all,
            Err(error) => return unavailable(&error),
        };
        let fits = |texts: &[&str]| texts.iter().any(|text| text.to_lowercase().contains(&asked.q));
        let found: Vec<_> = all
            .iter()
            .filter(|agent| asked.category.is_empty() || agent.category == asked.category)
            .filter(|agent| fits(&[&agent.name, &agent.description, agent.slug.as_str()]))
            .collect();
        let page: Vec<_> = found
            .iter()
            .copied()
            .skip(asked.per_page.saturating_mul(asked.page - 1))
            .take(asked.per_page)
            .collect();
        let views = self.agents.views(&page).await;
        let (page, per_page) = (asked.page, asked.per_page);
        answer(
            StatusCode::OK,
            &json!({ "agents": views, "total": found.len(), "page": page, "per_page": per_page }),
        )
    }
}

/// What of the agents is asked for.
struct Asked {
    q: String,
    category: String,
    page: usize,
    per_page: usize,
}

impl Asked {
    fn read(query: &str) -> Option<Self> {
        let mut asked = Self { q: String::new(), category: String::new(), page: 1, per_page: PAGE };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "q" => asked.q = value.to_lowercase(),
                "category" => asked.category = value.into_owned(),
                "page" => asked.page = value.parse().ok()?,
                "per_page" => asked.per_page = value.parse().ok()?,
                _ => {}
            }
        }
        let fits = asked.page >= 1 && (1..=PAGE_MAX).contains(&asked.per_page);
        fits.then_some(asked)
    }
}

/// An amount, as a text or a number: read as it is written.
fn amount(raw: &RawValue) -> Result<Usdc, tollwire_x402::Error> {
    raw.get().trim_matches('"').parse()
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn unauthorized() -> Answer {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "an API key is needed, as Bearer or as X-Api-Key")
        .header(WWW_AUTHENTICATE, "Bearer")
        .into_answer()
}

pub(super) fn unavailable(error: &StoreError) -> Answer {
    tracing::warn!(%error, "the store of the orchestrator did not answer");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store does not answer").into_answer()
}

fn unknown(why: &str) -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "not-found", why).into_answer()
}

fn bad(why: &str) -> Answer {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", why).into_answer()
}
