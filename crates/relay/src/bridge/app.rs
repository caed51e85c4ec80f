//! An app's connection.

use super::answers::Answers;
use super::hear::{self, AppFrame, Event};
use super::hub::AppSeat;
use super::inner::Inner;
use super::intake::{Intake, Waiting, intake};
use super::say;
use crate::notes::Topic;
use crate::runtime::{Budget, Heard, Outbox, Protocol};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Events of one connection that wait to be kept; then no more is read.
const WAITING_MAX: usize = 32;

/// An app's connection, as the runtime sees it. Dropping it takes the app's seat.
pub(crate) struct AppLink {
    inner: Arc<Inner>,
    seat: Arc<AppSeat>,
    events: Intake<Event>,
    over: CancellationToken,
}

/// What an app's connection has to do beside reading and writing.
pub(crate) struct AppWork {
    inner: Arc<Inner>,
    seat: Arc<AppSeat>,
    events: Waiting<Event>,
    answers: Answers,
    over: CancellationToken,
}

/// Makes both halves of a connection whose seat was taken.
pub(crate) fn link(inner: &Arc<Inner>, seat: &Arc<AppSeat>, budget: Budget) -> (AppLink, AppWork) {
    let ((events, waiting), over) = (intake(WAITING_MAX), CancellationToken::new());
    let answers = Answers::new(Arc::clone(inner), Arc::clone(seat), budget);
    let work = AppWork {
        inner: Arc::clone(inner),
        seat: Arc::clone(seat),
        events: waiting,
        answers,
        over: over.clone(),
    };
    let link = AppLink { inner: Arc::clone(inner), seat: Arc::clone(seat), events, over };
    (link, work)
}

impl AppLink {
    fn outbox(&self) -> &Outbox {
        &self.seat.outbox
    }

    fn discover(&self) {
        let registry = self.inner.directory.present();
        if let Some(app) = registry.apps.get(&self.seat.app) {
            self.outbox().say(say::agents(registry.visible(app)));
        }
    }
}

impl Protocol for AppLink {
    fn heard(&self, text: &str) -> Heard {
        match hear::app(text, self.inner.limits.payload_bytes_max) {
            Ok(AppFrame::Event(event)) => self.events.put(event),
            Ok(AppFrame::Discover) => self.discover(),
            Ok(AppFrame::Ping) => self.outbox().say(say::PONG.to_owned()),
            Ok(AppFrame::Pong) => {}
            Err(unheard) => {
                let client_id = unheard.client_id.as_deref();
                self.outbox().say(say::refused(unheard.refusal, None, None, client_id));
                return unheard.heard;
            }
        }
        Heard::Spoken
    }

    async fn ready(&self) {
        self.events.ready().await;
    }

    fn arrived(&self, probe: u64) {
        self.seat.arrived(probe);
    }

    async fn wind_down(&self) {
        self.events.dealt_with().await;
    }
}

impl Drop for AppLink {
    fn drop(&mut self) {
        self.inner.hub.leave_app(&self.seat);
        self.over.cancel();
    }
}

impl AppWork {
    /// Works until the connection is gone, and then until what it has said is dealt with.
    ///
    /// Most connections are idle most of the time: what is done now and then is on the heap while it is done, not part of
    /// this future, and so of every connection's memory.
    pub(crate) async fn run(mut self) {
        Box::pin(self.show()).await;
        let giving = async {
            tokio::select! {
                () = self.answers.run() => {}
                () = self.over.cancelled() => {}
            }
        };
        tokio::join!(taking((&self.inner, &self.seat), &mut self.events), giving);
        Box::pin(self.leave()).await;
    }

    async fn show(&self) {
        let name = self.seat.id.to_string();
        if let Err(error) = self.inner.show(Topic::Connections, &name, self.seat.id).await {
            tracing::debug!(%error, "other nodes will learn of a connection later");
        }
    }

    async fn leave(&self) {
        self.inner.hide(Topic::Connections, &self.seat.id.to_string()).await;
        if self.answers.are_waiting().await {
            self.inner.orphaned(&self.seat.app).await;
        }
    }
}

/// Takes events until the reader is gone.
async fn taking((inner, seat): (&Inner, &AppSeat), events: &mut Waiting<Event>) {
    while let Some(event) = events.one().await {
        Box::pin(take(inner, seat, event)).await;
        events.done(1);
    }
}

async fn take(inner: &Inner, seat: &AppSeat, event: Event) {
    let submitted = inner.submit(seat, &event).await;
    seat.outbox.say(submitted.frame);
    if let Some((agent, thread)) = submitted.wake {
        inner.wake_agent(&agent).await;
        inner.remember(&seat.app, &agent, &thread).await;
    }
}
