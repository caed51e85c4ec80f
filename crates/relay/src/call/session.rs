//! The calls of one connection: told apart by `id`, bounded in number, answered in whatever order they are done.

use super::caller::{Caller, How, Place};
use super::envelope::{self, Call, Envelope, Refused};
use super::id::Id;
use super::priced::Recall;
use super::stream::Listener;
use super::{CallError, frame};
use crate::runtime::{Budget, Heard, Outbox, Protocol};
use crate::telemetry::Way;
use http::HeaderValue;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_x402::header::TOLLWIRE_SESSION;

/// `relay.call` on one connection. Dropping it takes back what was not paid for; paid calls go on to their end.
pub(crate) struct Session(Arc<Shared>);

struct Shared {
    caller: Arc<Caller>,
    outbox: Arc<Outbox>,
    budget: Budget,
    tasks: TaskTracker,
    calls_max: usize,
    calls: Mutex<HashMap<Id, Flight>>,
    /// Calls whose answer has not been queued yet.
    pending: AtomicUsize,
    /// There are none any more.
    idle: Notify,
    winding_down: AtomicBool,
    over: CancellationToken,
    /// The session token that the connection was opened with: what its account pays for.
    account: Option<HeaderValue>,
}

/// A call under way.
#[derive(Clone)]
enum Flight {
    Unpaid(CancellationToken),
    /// Taken back only as long as nothing is settled.
    Paid(Arc<Recall>),
}

impl Session {
    /// Calls of a new connection; their tasks are the tracker's.
    pub(crate) fn new(
        caller: Arc<Caller>,
        outbox: Arc<Outbox>,
        budget: Budget,
        tasks: TaskTracker,
        (calls_max, account): (usize, Option<HeaderValue>),
    ) -> Self {
        Self(Arc::new(Shared {
            caller,
            outbox,
            budget,
            tasks,
            calls_max,
            calls: Mutex::default(),
            pending: AtomicUsize::new(0),
            idle: Notify::new(),
            winding_down: AtomicBool::new(false),
            over: CancellationToken::new(),
            account,
        }))
    }
}

impl Protocol for Session {
    fn heard(&self, text: &str) -> Heard {
        let shared = &self.0;
        match envelope::read(text, shared.caller.request_bytes_max) {
            Ok(Envelope::Call(call)) => shared.begin(*call),
            Ok(Envelope::Cancel { id, call }) => shared.cancel(id.as_ref(), &call),
            Err(Refused::Unreadable { rule }) => {
                shared.outbox.say(frame::error(None, 400, rule));
                return Heard::Malformed;
            }
            Err(Refused::UnknownMethod { id, method }) => {
                let message = format!("No handler registered for method: {method}");
                shared.outbox.say(frame::error(id.as_ref(), 404, &message));
            }
            Err(Refused::Call { id, error }) => shared.outbox.say(frame::refusal(&id, &error)),
        }
        Heard::Spoken
    }

    async fn wind_down(&self) {
        self.0.winding_down.store(true, Ordering::Release);
        while self.0.pending.load(Ordering::Acquire) > 0 {
            self.0.idle.notified().await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.over.cancel();
        self.0.budget.close();
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, HashMap<Id, Flight>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, mut call: Call) {
        if let (None, Some(token)) = (&call.payment, &self.account) {
            // A call may name an account of its own.
            call.request.headers.entry(TOLLWIRE_SESSION).or_insert_with(|| token.clone());
        }
        match self.admit(&call) {
            Ok((place, flight)) => {
                self.pending.fetch_add(1, Ordering::AcqRel);
                self.tasks.spawn(Box::pin(Arc::clone(self).run(call, place, flight)));
            }
            Err(Denied::InFlight) => {
                self.outbox.say(frame::error(Some(&call.id), 409, "id already in flight"));
            }
            Err(Denied::Refused(error)) => self.outbox.say(frame::refusal(&call.id, &error)),
        }
    }

    /// A place for a call, and the way to take it back.
    fn admit(&self, call: &Call) -> Result<(Place, Flight), Denied> {
        if self.winding_down.load(Ordering::Acquire) {
            return Err(Denied::Refused(CallError::Draining));
        }
        let mut calls = self.calls();
        let full = calls.len() >= self.calls_max;
        let Entry::Vacant(free) = calls.entry(call.id.clone()) else { return Err(Denied::InFlight) };
        if full {
            return Err(Denied::Refused(CallError::Busy));
        }
        let place = self.caller.place().map_err(Denied::Refused)?;
        // A payment that has been sent may be settled: its call goes on whatever becomes of the connection.
        let paid = call.payment.is_some() || call.request.headers.contains_key(TOLLWIRE_SESSION);
        let flight =
            if paid { Flight::Paid(Arc::default()) } else { Flight::Unpaid(self.over.child_token()) };
        free.insert(flight.clone());
        Ok((place, flight))
    }

    async fn run(self: Arc<Self>, call: Call, place: Place, flight: Flight) {
        let Call { id, api, request, payment, stream } = call;
        let listener = stream.then_some(Listener { id: &id, outbox: &self.outbox });
        let (cancel, recall) = match flight {
            Flight::Unpaid(cancel) => (cancel, Arc::default()),
            Flight::Paid(recall) => (CancellationToken::new(), recall),
        };
        let how = How { way: Way::WebSocket, budget: &self.budget, listener, recall: &recall };
        let outcome = tokio::select! {
            () = cancel.cancelled() => Err(CallError::Cancelled),
            outcome = self.caller.call(&api, request, payment, how) => outcome,
        };
        drop(place);
        // The id is free before its answer leaves, so that it can be used again at once.
        self.calls().remove(&id);
        match outcome {
            Ok(answer) => self.outbox.answer(frame::answer(&id, &answer), answer.room),
            Err(error) => self.outbox.say(frame::refusal(&id, &error)),
        }
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_one();
        }
    }

    fn cancel(&self, id: Option<&Id>, call: &Id) {
        let (code, message) = match self.calls().get(call) {
            None => (404, "no call of this id is in flight"),
            Some(flight) if !flight.cancel() => (409, "this call may be paid for already: it goes on"),
            Some(_) => {
                if let Some(id) = id {
                    self.outbox.say(frame::cancelled(id));
                }
                return;
            }
        };
        self.outbox.say(frame::error(id, code, message));
    }
}

impl Flight {
    /// Takes the call back; `false` if it is too late.
    fn cancel(&self) -> bool {
        match self {
            Self::Unpaid(cancel) => {
                cancel.cancel();
                true
            }
            Self::Paid(recall) => recall.cancel(),
        }
    }
}

/// Why a call does not begin.
enum Denied {
    InFlight,
    Refused(CallError),
}
