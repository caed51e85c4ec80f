//! What the operator sees of people and their sessions: names, counts, phases, and what auto-pay has spent; never a word of
//! what is said (`GET /admin/orchestrator`).

use super::http::unavailable;
use super::inner::Inner;
use super::purse::DAY;
use super::start::Orchestrator;
use crate::http::{Answer, json as answer, not_with, nothing_here};
use crate::store::StoreError;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tollwire_ledger::Timestamp;
use tollwire_x402::Usdc;

/// People that one answer tells of, in the order of their names; the others are only counted.
const PEOPLE_MAX: usize = 200;

/// Sessions that are read for one answer: people whose turn comes after that many are told of without theirs.
const READ_MAX: usize = 2_000;

/// Sessions that one answer has, those that changed last.
const SESSIONS_MAX: usize = 200;

/// What the phases of a session come to, for a person at the operator's desk.
#[derive(Debug, Default)]
struct Counts {
    open: usize,
    working: usize,
    awaiting_payment: usize,
    waiting_messages: u64,
}

impl Counts {
    fn of(sessions: &[Value]) -> Self {
        let mut counts = Self::default();
        for session in sessions {
            let phase = session["phase"].as_str().unwrap_or_default();
            counts.open = counts.open.saturating_add(usize::from(phase != "CLOSED"));
            counts.working =
                counts.working.saturating_add(usize::from(matches!(phase, "AGENT_CONNECTED" | "WORKING")));
            counts.awaiting_payment =
                counts.awaiting_payment.saturating_add(usize::from(phase == "AWAITING_PAYMENT"));
            let waiting = session["waiting_messages"].as_u64().unwrap_or_default();
            counts.waiting_messages = counts.waiting_messages.saturating_add(waiting);
        }
        counts
    }
}

impl Orchestrator {
    /// Answers `GET /admin/orchestrator`: people with counts of their sessions and what auto-pay has spent today, and the
    /// sessions that changed last. Amounts are atomic units, as text.
    pub(super) async fn overview(&self, method: &Method, rest: &[&str]) -> Answer {
        if !rest.is_empty() {
            return nothing_here();
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return not_with("GET, HEAD");
        }
        match self.inner().overview(self.inner().now()).await {
            Ok(view) => answer(StatusCode::OK, &view),
            Err(error) => unavailable(&error),
        }
    }
}

impl Inner {
    async fn overview(&self, now: Timestamp) -> Result<Value, StoreError> {
        let everybody = self.people.list(now).await?;
        let (mut people, mut sessions, mut spent) = (Vec::new(), Vec::new(), Usdc::ZERO);
        for person in everybody.iter().take(PEOPLE_MAX) {
            let id = person["id"].as_str().unwrap_or_default();
            let purse = self.purses.of(id).await?;
            let today = purse.spent_on(now);
            spent = spent.checked_add(today).unwrap_or(Usdc::MAX);
            let own = if sessions.len() < READ_MAX { Some(self.sessions_of(id).await?) } else { None };
            let counts = own.as_deref().map(Counts::of);
            people.push(json!({
                "id": id,
                "name": person["name"],
                "created": person["created"],
                "keys": person["keys"].as_array().map_or(0, Vec::len),
                "sessions": counts.map(|counts| json!({
                    "open": counts.open, "working": counts.working, "awaiting_payment": counts.awaiting_payment,
                    "waiting_messages": counts.waiting_messages,
                })),
                "account": purse.account.is_some(),
                "credits": purse.credits.len(),
                "auto_pay": { "enabled": purse.auto.enabled, "per_job": purse.auto.per_job, "per_day": purse.auto.per_day },
                "spent_today": today,
            }));
            sessions.extend(own.unwrap_or_default().into_iter().map(|session| of_person(id, session)));
        }
        // Times are RFC 3339 in one zone, so that their order is that of the texts.
        sessions.sort_by(|a, b| b["updated_at"].as_str().cmp(&a["updated_at"].as_str()));
        let (seen, all) = (sessions.len(), everybody.len());
        sessions.truncate(SESSIONS_MAX);
        Ok(json!({
            "day": now.secs() / DAY * DAY,
            "spent_today": spent,
            "people_total": all,
            "people": people,
            "sessions_total": seen,
            "sessions": sessions,
        }))
    }
}

/// A session as its person sees it, and whose it is.
fn of_person(person: &str, mut session: Value) -> Value {
    if let Some(members) = session.as_object_mut() {
        members.insert("person".to_owned(), json!(person));
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_counted() {
        let session = |phase: &str, waiting: u64| json!({ "phase": phase, "waiting_messages": waiting });
        let counts = Counts::of(&[
            session("CLOSED", 0),
            session("WORKING", 2),
            session("AWAITING_PAYMENT", 1),
            session("CONNECTED", 0),
        ]);
        assert_eq!(
            (counts.open, counts.working, counts.awaiting_payment, counts.waiting_messages),
            (3, 1, 1, 3)
        );
    }
}
