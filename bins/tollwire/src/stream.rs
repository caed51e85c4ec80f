//! `tollwire stream`.

use crate::cli::{Events, StreamArguments};
use crate::failure::Failure;
use crate::output::Output;
use crate::state::State;
use crate::wiring::wire;
use crate::{receipts, tell};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tollwire_client::{Error, Event, Payer, Receipt, Session, StreamClient, session_url};
use tollwire_ops::shutdown::{Request, Signals};
use tollwire_x402::Usdc;

/// How often the facilitator is asked what is left, until it has booked the end of the stream; how long between two; and how
/// long in all.
const BOOKED_TRIES: usize = 10;
const BOOKED_PAUSE: Duration = Duration::from_millis(50);
const BOOKED_WITHIN: Duration = Duration::from_secs(3);

/// Streams until the feed ends, the budget is spent, nobody reads, or a signal comes.
pub(crate) async fn run(arguments: StreamArguments) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (pay_on, reconnects) = (arguments.pay_on, arguments.reconnects);
    let mut wired = wire(arguments.pay, |config| {
        config.pay_on = pay_on.into();
        config.reconnects_max = reconnects;
    })
    .await?;
    let url = session_url(&arguments.url)?;
    let before = wired.payer.budget().spent();
    let mut running = Running {
        events: arguments.events,
        receipts: arguments.receipts,
        state: wired.state.clone(),
        payer: wired.payer.clone(),
        output: Output::new(arguments.hex),
        before,
    };
    let opening = async {
        let session = wired.obtain(&arguments.url, arguments.sign_in).await?;
        let bought = session.paid != Usdc::ZERO && wired.payer.budget().spent() != before;
        Ok::<_, Failure>((StreamClient::resume(wired.payer.clone(), &url, session).await?, bought))
    };
    let (mut stream, bought) = tokio::select! {
        opened = opening => opened?,
        () = stopped(&mut signals) => return Ok(()),
    };
    let ended = tokio::select! {
        ended = running.pump(&mut stream, bought) => ended,
        () = stopped(&mut signals) => Ok(()),
    };
    let closed = stream.close().await;
    running.finish(&mut stream).await?;
    ended?;
    Ok(closed?)
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Request::Stop {}
}

/// A stream under way.
struct Running {
    events: Events,
    receipts: Option<PathBuf>,
    state: State,
    payer: Payer,
    output: Output,
    /// Spent before this run.
    before: Usdc,
}

impl Running {
    async fn pump(&mut self, stream: &mut StreamClient, bought: bool) -> Result<(), Failure> {
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            match event {
                Event::Message(message) => {
                    if !self.output.write(message).await? {
                        return Ok(());
                    }
                }
                Event::Opened { session, units, paid } => {
                    let paid = if bought { stream.session().paid } else { paid };
                    self.note(stream.session(), &Event::Opened { session, units, paid })?;
                }
                event => {
                    self.note(stream.session(), &event)?;
                    if let Event::Closed(closed) = &event {
                        return Failure::of_close(closed);
                    }
                }
            }
        }
    }

    /// Tells an event, and writes down what must survive.
    fn note(&self, session: &Session, event: &Event) -> Result<(), Failure> {
        tell::event(self.events, event, self.payer.budget());
        match event {
            Event::Receipt(receipt) => self.keep(receipt)?,
            // A payment that was refused or is in doubt stays noted until it is collected.
            Event::Unpaid { why: Error::Undecided { .. } } => {}
            Event::Opened { .. } | Event::ToppedUp { .. } | Event::Renewed { .. } | Event::Unpaid { .. } => {
                self.state.session(session, true)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&self, receipt: &Receipt) -> Result<(), Failure> {
        self.receipts.as_ref().map_or(Ok(()), |path| receipts::append(path, receipt))
    }

    /// What was told while the stream closed, the last receipt, and the last line.
    async fn finish(&self, stream: &mut StreamClient) -> Result<(), Failure> {
        let mut last = None;
        for event in stream.take_events() {
            if let Event::Receipt(receipt) = &event {
                last = Some(receipt.clone());
            }
            if !matches!(event, Event::Message(_)) {
                self.note(stream.session(), &event)?;
            }
        }
        if last.is_none() && self.receipts.is_some() {
            match self.payer.receipt(stream.session()).await {
                Ok(receipt) => self.note(stream.session(), &Event::Receipt(receipt))?,
                Err(error) => tell::line(format!("no receipt: {error}")),
            }
        }
        let spent = self.payer.budget().spent().checked_sub(self.before).unwrap_or_default();
        // After CLOSE 4008 nothing is left, which nobody need be asked.
        let units = if stream.units() == 0 { Some(0) } else { self.left(stream.session()).await };
        tell::end(self.events, spent, self.payer.budget(), units);
        Ok(())
    }

    /// Units left by the facilitator's books, once it has given back what the stream held ahead; `None` if it does not say.
    async fn left(&self, session: &Session) -> Option<u64> {
        let asking = async {
            for _ in 1..BOOKED_TRIES {
                let balance = self.payer.balance(session).await.ok()?;
                if balance.live_streams == 0 {
                    return Some(balance.units_remaining);
                }
                sleep(BOOKED_PAUSE).await;
            }
            // Another stream of this session is open elsewhere.
            self.payer.balance(session).await.ok().map(|balance| balance.units_remaining)
        };
        timeout(BOOKED_WITHIN, asking).await.ok().flatten()
    }
}
