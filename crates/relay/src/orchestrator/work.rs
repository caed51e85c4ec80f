//! A session at work: one task on one broker, which alone changes the session's row, and does one thing after another.
//!
//! Whatever happens is written down first, and said after that; so a broker that dies says nothing that is not so, and whoever
//! takes the session over goes on where it stands.

mod ending;
mod keeping;
mod telling;

use super::hear::{Frame, Response};
use super::ids;
use super::inner::Inner;
use super::money;
use super::phase::{Act, Input, State};
use super::record::{Job, Money, Owner, Record};
use super::say::{self, ErrorType};
use super::seats::{News, Socket};
use super::steps::{self, Outcome, Whose};
use crate::notes::Topic;
use crate::telemetry;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tollwire_x402::close::CloseCode;

type Step = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// How a session's task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has left its seat already, in which another may sit by now.
    Left,
    /// It is still in its seat.
    Over,
}

/// The session is not ours any more, or its store is gone: the task ends.
struct Lost;

/// A session at work.
pub(super) struct Work {
    inner: Arc<Inner>,
    id: String,
    version: u64,
    record: Record,
    news: mpsc::Receiver<News>,
    socket: Option<Socket>,
    /// The last frame that the connection was given.
    sent: u64,
    step: Option<Step>,
    /// Whether what is under way may have been begun by somebody else.
    again: bool,
    /// Whether it is noted that something is under way.
    noted: bool,
}

impl Work {
    pub(super) fn new(
        inner: Arc<Inner>,
        id: String,
        (version, record): (u64, Record),
        news: mpsc::Receiver<News>,
    ) -> Self {
        let noted = record.state.is_busy();
        Self { inner, id, version, record, news, socket: None, sent: 0, step: None, again: true, noted }
    }

    /// Works until nothing is to be done and nobody is there.
    pub(super) async fn run(mut self) {
        let stop = self.inner.stop.clone();
        let ended = stop.run_until_cancelled(self.work()).await;
        if ended != Some(End::Left) {
            self.inner.seats.forget(&self.id);
        }
        let (words, code) = match ended {
            None => (None, CloseCode::GoingAway),
            Some(_) if self.record.state == State::Closed => {
                let why = say::error(ErrorType::SessionNotFound, "the session is over");
                (Some(why), CloseCode::SessionNotFound)
            }
            Some(_) => (None, CloseCode::Internal),
        };
        // Whoever came last was not served any more.
        let last = std::iter::from_fn(|| self.news.try_recv().ok()).filter_map(|news| match news {
            News::Attached(socket) => Some(socket),
            News::Heard(_) | News::Arrived(_) | News::Close => None,
        });
        for socket in self.socket.take().into_iter().chain(last) {
            socket.outbox.end(words.clone(), code);
        }
    }

    async fn work(&mut self) -> End {
        loop {
            match self.turn().await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(Lost) => return End::Over,
            }
        }
    }

    fn whose(&self) -> Whose {
        let key = self.record.job.as_ref().map_or(&self.record.key, |job| &job.key);
        Whose { person: self.record.person.clone(), key: key.clone(), session: self.id.clone() }
    }

    /// One thing; how it ends, at the end.
    async fn turn(&mut self) -> Result<Option<End>, Lost> {
        if self.record.state == State::Closed {
            self.rest().await?;
            return Ok(Some(End::Over));
        }
        if self.record.state == State::Connected
            && let Some(content) = self.record.queue.pop_front()
        {
            self.begin(content).await?;
        }
        if self.step.is_none()
            && self.record.state.is_busy()
            && let Some(job) = self.record.job.clone()
        {
            let state = (self.record.state, self.again);
            self.step = Some(Box::pin(steps::take(Arc::clone(&self.inner), self.whose(), state, job)));
        }
        if self.step.is_none() && self.socket.is_none() {
            self.rest().await?;
            // Whoever came meanwhile is served.
            return match self.inner.seats.leave(&self.id, &mut self.news) {
                Some(news) => self.tell(news).await.map(|()| None),
                None => Ok(Some(End::Left)),
            };
        }
        let expires = self.expires();
        let gone = self.socket.as_ref().map(|socket| socket.over.clone());
        let (news, step) = (&mut self.news, &mut self.step);
        tokio::select! {
            biased;
            outcome = async { match step { Some(step) => step.await, None => std::future::pending().await } } => {
                self.step = None;
                self.again = false;
                self.conclude(outcome).await?;
            }
            heard = news.recv() => match heard {
                Some(news) => self.tell(news).await?,
                None => return Ok(Some(End::Over)),
            },
            () = async { match &gone { Some(over) => over.cancelled().await, None => std::future::pending().await } } => {
                self.socket = None;
                if let Some(owner) = &mut self.record.owner {
                    owner.connected = false;
                }
                self.save().await?;
            }
            () = async { match expires { Some(time) => sleep(time).await, None => std::future::pending().await } } => {
                self.expire().await?;
            }
        }
        Ok(None)
    }

    /// How long the person may still take.
    fn expires(&self) -> Option<Duration> {
        let bill = self.record.job.as_ref().and_then(|job| job.bill.as_ref());
        let waits = self.record.state == State::AwaitingPayment;
        bill.filter(|_| waits).map(|bill| bill.expires.since(self.inner.now()))
    }

    /// Nobody has answered in time.
    async fn expire(&mut self) -> Result<(), Lost> {
        let why = "payment request expired";
        self.step_to(Input::Expired, vec![say::error(ErrorType::PaymentDeclined, why)]).await
    }

    async fn tell(&mut self, news: News) -> Result<(), Lost> {
        match news {
            News::Attached(socket) => {
                let other_key = self.pass_to(&socket.holder).await;
                (self.socket, self.sent) = (Some(socket), 0);
                let owner = Owner { node: self.inner.node, connected: true };
                let before = self.record.owner.replace(owner);
                if self.record.state == State::Started {
                    return self.step_to(Input::Attached, Vec::new()).await;
                }
                if self.expires() == Some(Duration::ZERO) {
                    return self.expire().await;
                }
                if before != Some(owner) || other_key {
                    self.save().await?;
                }
                self.give();
                self.ask_for_payment();
                Ok(())
            }
            News::Heard(frame) => self.hear(frame).await,
            News::Close if self.record.state.step(Input::Cancel).is_some() => self.cancel().await,
            News::Close => Ok(()),
            News::Arrived(number) => {
                let before = self.record.unseen.len();
                self.record.unseen.retain(|(frame, _)| *frame > number);
                if self.record.unseen.len() == before { Ok(()) } else { self.save().await }
            }
        }
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), Lost> {
        match frame {
            Frame::Wrong(why) => self.refuse(why),
            Frame::Message(content) => match self.record.state.step(Input::Message) {
                Some((_, Act::Begin)) => return self.begin(content).await,
                Some((_, Act::Queue)) if self.record.queue.len() < self.inner.limits.queue_max => {
                    self.record.queue.push_back(content);
                    return self.save().await;
                }
                Some((_, Act::Queue)) => self.refuse("too many messages wait already"),
                _ => self.refuse("no message is taken now"),
            },
            Frame::Payment(response) => return self.respond(response).await,
            Frame::Cancel => return self.cancel().await,
        }
        Ok(())
    }

    async fn begin(&mut self, content: String) -> Result<(), Lost> {
        let Ok(id) = ids::fresh() else { return Err(Lost) };
        let key = self.record.key.clone();
        self.record.job = Some(Job { id, content, key, choice: None, bill: None, money: None, done: None });
        self.again = false;
        if !self.noted {
            self.noted = true;
            let until = Some(self.inner.now().after(self.inner.limits.retention));
            let note = self.inner.notes.put((Topic::Unfinished, &self.id), bytes::Bytes::new(), until);
            if let Err(error) = note.await {
                tracing::warn!(%error, "after a crash, a session waits for its person");
            }
        }
        self.step_to(Input::Message, Vec::new()).await
    }

    async fn respond(&mut self, response: Response) -> Result<(), Lost> {
        let (state, bill) = (self.record.state, self.record.job.as_ref().and_then(|job| job.bill.clone()));
        let Some(bill) = bill.filter(|_| state == State::AwaitingPayment) else {
            self.refuse("no payment is asked for now");
            return Ok(());
        };
        if response.payment_id.is_some_and(|id| id != bill.id) {
            self.refuse("payment_id: another payment is asked for");
            return Ok(());
        }
        if !response.approved {
            let why = "the payment was declined";
            return self.step_to(Input::Declined, vec![say::error(ErrorType::PaymentDeclined, why)]).await;
        }
        let Some(job) = self.record.job.clone() else { return Ok(()) };
        match money::approve(&self.inner, &self.whose(), &job, response.payment.as_deref()).await {
            Ok(money) => {
                if let Some(job) = &mut self.record.job {
                    job.money = Some(money);
                }
                self.again = false;
                self.step_to(Input::Approved, Vec::new()).await
            }
            Err(why) => {
                self.refuse(&why);
                Ok(())
            }
        }
    }

    /// What a step came to.
    async fn conclude(&mut self, outcome: Outcome) -> Result<(), Lost> {
        let frames = match &outcome {
            Outcome::Said(text) => vec![self.brain_says(text)],
            Outcome::Unavailable(why) => vec![say::error(ErrorType::AgentUnavailable, why)],
            Outcome::Failed(why) | Outcome::Unpaid(why) | Outcome::Uncleared(why) => {
                vec![say::error(ErrorType::InternalError, why)]
            }
            Outcome::Paid(_, transaction, source) => self.paid(transaction, *source),
            Outcome::Cleared => self.result(),
            _ => Vec::new(),
        };
        // What covers a price may have been taken before it was found that it does not.
        let unpaid = self.record.job.as_ref().is_some_and(|job| job.money.is_none());
        let pricing = unpaid && matches!(self.record.state, State::AgentConnected | State::Working);
        if matches!(outcome, Outcome::Unpaid(_)) || (pricing && matches!(outcome, Outcome::Failed(_))) {
            self.undo().await;
        }
        telemetry::job(outcome.word());
        let Some(job) = &mut self.record.job else { return Ok(()) };
        let input = match outcome {
            Outcome::Said(_) => Input::Answered,
            Outcome::Unavailable(_) => Input::Unavailable,
            Outcome::Free => Input::Free,
            Outcome::Failed(_) | Outcome::Uncleared(_) => Input::Failed,
            Outcome::Unpaid(_) => Input::Unpaid,
            Outcome::Cleared => Input::Finished,
            Outcome::Chosen(choice) => {
                job.choice = Some(choice);
                Input::Chosen
            }
            Outcome::Asked(bill) => {
                job.priced_by(&bill);
                job.bill = Some(bill);
                Input::Asked
            }
            Outcome::Covered(bill, money) => {
                job.priced_by(&bill);
                (job.bill, job.money) = (Some(bill), Some(money));
                Input::Covered
            }
            Outcome::Paid(money, ..) => {
                job.money = Some(money);
                Input::Paid
            }
            Outcome::InDoubt => {
                if let Some(Money::Signed { doubts, .. }) = &mut job.money {
                    *doubts = doubts.saturating_add(1);
                }
                return self.save().await;
            }
            Outcome::Worked(done) => {
                job.done = Some(done);
                return self.save().await;
            }
        };
        let closing = self.record.state == State::Closing;
        if closing {
            // What it would have paid for is not done.
            self.undo().await;
        }
        self.step_to(input, frames).await?;
        if closing {
            self.closed("Cancelled");
        }
        self.ask_for_payment();
        Ok(())
    }

    /// Keeps a frame until it has arrived.
    fn keep(&mut self, frame: String) {
        self.record.unseen.push_back((self.record.next, frame));
        self.record.next = self.record.next.saturating_add(1);
    }

    /// Takes a row of the table, writes it down, and says these frames. Rows that end a job forget it.
    async fn step_to(&mut self, input: Input, frames: Vec<String>) -> Result<(), Lost> {
        let Some((state, _)) = self.record.state.step(input) else {
            tracing::error!(state = ?self.record.state, ?input, "not a row of the table");
            return Err(Lost);
        };
        self.record.state = state;
        if matches!(state, State::Connected | State::Closed) {
            self.record.job = None;
        }
        if state == State::Closed {
            self.record.queue.clear();
        }
        for frame in frames {
            self.keep(frame);
        }
        self.record.forget_oldest(self.inner.limits.unseen_max);
        self.save().await?;
        self.give();
        Ok(())
    }
}
