//! Metrics of the broker.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `tollwire_relay_sockets` | | WebSockets and streams of events open now |
//! | `tollwire_relay_closes_total` | `code` | how WebSockets ended: the code sent or received, 1006 for none |
//! | `tollwire_relay_calls_total` | `api`, `way`, `outcome` | calls: the status class of the API's answer (`2xx`), or the code of our refusal |
//! | `tollwire_relay_charged_total` | `api` | atomic units that accounts paid for calls |
//! | `tollwire_relay_call_seconds` | `api` | how long APIs took to answer |
//! | `tollwire_relay_events_total` | `outcome` | events of apps: `accepted`, or the code of our refusal |
//! | `tollwire_relay_answers_total` | `outcome` | ends of events: `replied`, or the error's code |
//! | `tollwire_relay_answer_seconds` | | from an event's delivery to its final answer |
//! | `tollwire_relay_jobs_total` | `outcome` | steps of people's jobs: `said` (by the brain), `paid`, `in_doubt`, `done`, and what went wrong |
//! | `tollwire_relay_agent_checks_total` | `agent`, `outcome` | how agents over HTTP were when they were asked: `well`, `unwell` |
//! | `tollwire_relay_agents_suspended` | | agents that are left out because they were not well too often in a row |

use crate::call::CallError;
use http::StatusCode;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

/// How a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    WebSocket,
    Http,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Http => "http",
        }
    }
}

/// Counts a WebSocket for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open(());

impl Open {
    pub(crate) fn new() -> Self {
        gauge!("tollwire_relay_sockets").increment(1);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("tollwire_relay_sockets").decrement(1);
    }
}

pub(crate) fn closed(code: u16) {
    counter!("tollwire_relay_closes_total", "code" => code.to_string()).increment(1);
}

/// `api` is a registered id.
pub(crate) fn charged(api: &str, units: u64) {
    counter!("tollwire_relay_charged_total", "api" => api.to_owned()).increment(units);
}

/// `api` is a registered id or empty, never what a client wrote.
pub(crate) fn called(api: &str, way: Way, outcome: Result<StatusCode, &CallError>, took: Duration) {
    let word = match outcome {
        Ok(status) => format!("{}xx", status.as_u16() / 100),
        Err(error) => error.code().to_string(),
    };
    counter!("tollwire_relay_calls_total", "api" => api.to_owned(), "way" => way.as_str(), "outcome" => word)
        .increment(1);
    if outcome.is_ok() {
        histogram!("tollwire_relay_call_seconds", "api" => api.to_owned()).record(took);
    }
}

/// What became of an app's event.
pub(crate) fn event(outcome: &'static str) {
    counter!("tollwire_relay_events_total", "outcome" => outcome).increment(1);
}

/// How an event ended, and how long that took.
pub(crate) fn answered(outcome: &'static str, took: Duration) {
    counter!("tollwire_relay_answers_total", "outcome" => outcome).increment(1);
    histogram!("tollwire_relay_answer_seconds").record(took);
}

/// How an agent was. `agent` is a registered slug.
pub(crate) fn checked(agent: &str, well: bool) {
    let outcome = if well { "well" } else { "unwell" };
    counter!("tollwire_relay_agent_checks_total", "agent" => agent.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// How many agents are left out.
pub(crate) fn suspended(count: usize) {
    gauge!("tollwire_relay_agents_suspended").set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// What a step of a person's job came to, if it is to be counted.
pub(crate) fn job(outcome: Option<&'static str>) {
    if let Some(outcome) = outcome {
        counter!("tollwire_relay_jobs_total", "outcome" => outcome).increment(1);
    }
}
