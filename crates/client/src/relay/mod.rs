//! `relay.call`: many API calls over one WebSocket of a broker, paid for where they cost something.
//!
//! The socket is opened with the first call and again when it is lost. Where there is none, calls go over HTTP: unpaid ones
//! before anything was sent, paid ones at any time, with the same payment. A payment whose answer does not come is
//! collected by the next call of the same kind, never made again. Where the broker sells prepaid accounts, one of them can pay
//! instead ([`RelayClient::prepaid`]).

mod account;
mod call;
mod frame;
mod kept;
mod socket;
mod twin;

pub use call::{ApiCall, Called, Way};

use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use crate::offer::Pinned;
use crate::payer::{Payer, cut, refused};
use crate::payment::{Payment, Purpose};
use crate::{Error, relay::kept::Kept};
use account::{Account, Presented, TOP_UPS_MAX, fresh_claim};
use call::{Answered, Means};
use socket::{Lines, NoAnswer};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tollwire_x402::v2::PaymentRequired;

/// Calls APIs through one broker. Clones share socket, payments and budget.
#[derive(Clone)]
pub struct RelayClient(Arc<Inner>);

struct Inner {
    payer: Payer,
    base: Endpoint,
    http: HttpClient,
    lines: Lines,
    kept: Kept,
    /// The terms of each API's first bill.
    pinned: Mutex<HashMap<String, Pinned>>,
    account: Option<Account>,
}

/// What the broker calls an account that does not suffice.
const EXHAUSTED: &str = "balance_exhausted";

impl RelayClient {
    /// A client of the broker at an address such as `https://broker.example`. Nothing is opened yet.
    pub fn new(payer: Payer, broker: &str) -> Result<Self, Error> {
        Self::paying(payer, broker, false)
    }

    /// A client whose calls a prepaid account of the broker's pays for: the one that its wallet has, or one that is bought when
    /// the first call needs it, by the first deposit on offer that fits the budget; topped up within the budget whenever it does
    /// not suffice. APIs that price themselves are paid call by call all the same. Nothing is opened yet.
    pub fn prepaid(payer: Payer, broker: &str) -> Result<Self, Error> {
        Self::paying(payer, broker, true)
    }

    fn paying(payer: Payer, broker: &str, on_account: bool) -> Result<Self, Error> {
        let config = payer.config();
        let base = Endpoint::http(broker, config.allow_plain)?;
        let http = HttpClient::new(config)?.reading(config.message_bytes_max);
        let lines = Lines::to(&base, config.allow_plain)?;
        let (kept, pinned) = (Kept::default(), Mutex::default());
        let account = on_account.then(|| Account::at(&base)).transpose()?;
        Ok(Self(Arc::new(Inner { payer, base, http, lines, kept, pinned, account })))
    }

    /// Makes a call, and pays for it if that is wanted and fits the budget.
    ///
    /// Bounded by the call's own time for each answer, and by the configuration's tries for the HTTP that a payment falls
    /// back to. [`Error::Undecided`] says that a payment was sent and nobody has answered: the same call again collects it.
    /// So does it when this future is dropped.
    pub async fn call(&self, call: &ApiCall) -> Result<Called, Error> {
        let inner = &*self.0;
        while let Some(payment) = inner.kept.take(call) {
            let over = inner.payer.now() > payment.valid_before();
            match inner.pay(call, payment).await {
                // Nobody took it, and nobody can any more.
                Err(Error::Refused { .. }) if over => {}
                outcome => return outcome,
            }
        }
        let answered = match &inner.account {
            Some(account) => inner.on_account(account, call).await?,
            None => inner.ask(call, Means::None).await?,
        };
        let bill = match answered {
            Answered::Bill(bill, _) => bill,
            Answered::Answer(answer) => return Ok(*answer),
            Answered::Failed(failed) => return Err(failed.error()),
            Answered::Short => return Err(Error::Protocol("nobody's account does not suffice".to_owned())),
        };
        let payment = inner.sign(call, *bill).await?;
        inner.pay(call, payment).await
    }

    /// What it may spend, and has spent.
    pub fn payer(&self) -> &Payer {
        &self.0.payer
    }

    /// Closes the socket. The next call opens another.
    pub fn close(&self) {
        self.0.lines.close();
    }
}

impl Inner {
    /// The call, paid for by the account. Whatever becomes of it, its price is charged at most once.
    async fn on_account(&self, account: &Account, call: &ApiCall) -> Result<Answered, Error> {
        let claim = fresh_claim()?;
        let (mut top_ups, mut renewed) = (0, false);
        loop {
            let presented: Presented = account.present(&self.payer).await?;
            let means = Means::Account { token: presented.session.token(), claim: &claim };
            match self.ask(call, means).await? {
                Answered::Short if top_ups < TOP_UPS_MAX => {
                    top_ups = top_ups.saturating_add(1);
                    account.top_up(&self.payer, &presented).await?;
                }
                Answered::Short => {
                    let why = format!("the account does not suffice after {TOP_UPS_MAX} top-ups");
                    return Err(Error::Protocol(why));
                }
                Answered::Failed(failed) if failed.code == 401 && !renewed => {
                    renewed = true;
                    account.renew(&presented).await;
                }
                answered => {
                    if matches!(&answered, Answered::Answer(answer) if answer.balance.is_some()) {
                        account.has_paid(&call.api);
                    }
                    return Ok(answered);
                }
            }
        }
    }

    /// The call without a payment. What was sent and not answered is sent again only if that changes nothing.
    async fn ask(&self, call: &ApiCall, means: Means<'_>) -> Result<Answered, Error> {
        let once = call.is_safe() || self.account.as_ref().is_some_and(|account| account.pays_for(&call.api));
        let on_account = matches!(means, Means::Account { .. });
        match timeout(call.wait, self.lines.ask(&self.payer, call, means)).await {
            Ok(Ok(Answered::Failed(failed))) if on_account && failed.again => {}
            Ok(Ok(answered)) => return Ok(answered),
            Ok(Err(NoAnswer::NotSent)) => {}
            Ok(Err(NoAnswer::Lost)) if once => {}
            Ok(Err(NoAnswer::Lost)) => return Err(Error::Lost("the call may have been made".to_owned())),
            Ok(Err(NoAnswer::Never(error))) => return Err(error),
            Err(_) if on_account && once => {}
            Err(_) => return Err(Error::Unreachable("no answer in time".to_owned())),
        }
        twin::ask(&self.http, &self.base, call, means).await
    }

    async fn sign(&self, call: &ApiCall, bill: PaymentRequired) -> Result<Payment, Error> {
        let pinned = {
            let mut all = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
            let pinned = all.entry(call.api.clone()).or_default();
            pinned.pin(&bill);
            pinned.clone()
        };
        let endpoint = call.endpoint(&self.base)?;
        self.payer.sign_up_to_date((endpoint, Purpose::Session), bill, &pinned).await
    }

    /// Sends a payment with its call until there is an answer that decides: over the socket, then over HTTP.
    async fn pay(&self, call: &ApiCall, payment: Payment) -> Result<Called, Error> {
        // Until then it is kept, whatever becomes of this future.
        let amount = payment.amount();
        let held = self.kept.hold(call, payment);
        let payment = held.payment();
        let answered =
            match timeout(call.wait, self.lines.ask(&self.payer, call, Means::Payment(payment))).await {
                Ok(Ok(Answered::Failed(failed))) if failed.again => None,
                Ok(Ok(answered)) => Some(answered),
                Ok(Err(_)) | Err(_) => None,
            };
        let answered = match answered {
            Some(answered) => answered,
            None => {
                twin::ask(&self.http, &self.base, call, Means::Payment(payment)).await.map_err(undecided)?
            }
        };
        match answered {
            Answered::Answer(mut answer) => {
                // What was not settled is good for another try of the same call.
                if answer.settled != Some(false) {
                    held.spent();
                }
                if answer.settlement.as_ref().is_some_and(|settled| settled.success) {
                    answer.paid = amount;
                }
                Ok(*answer)
            }
            Answered::Bill(bill, settled) => {
                held.spent();
                let (reason, message) = settled
                    .map_or((None, bill.error), |settled| (settled.error_reason, settled.error_message));
                Err(refused(reason, message))
            }
            Answered::Short => Err(Error::Protocol("a payment is no account".to_owned())),
            Answered::Failed(failed) if failed.again => Err(Error::Undecided { transaction: None }),
            Answered::Failed(failed) => {
                // What the broker could not do it has not taken money for; what it will not do it never will.
                if (400..500).contains(&failed.code) {
                    held.spent();
                }
                Err(failed.error())
            }
        }
    }
}

fn undecided(error: Error) -> Error {
    match error {
        Error::Unreachable(_) | Error::Lost(_) => Error::Undecided { transaction: None },
        other => other,
    }
}

/// A call that the broker did not make, or not to its end.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: u16,
    pub(crate) message: String,
    /// Whether the same payment, sent again, is the way on.
    pub(crate) again: bool,
}

impl Failed {
    fn error(self) -> Error {
        Error::Status { status: self.code, problem: Some(cut(Some(self.message))) }
    }
}

impl fmt::Debug for RelayClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayClient").field("broker", &self.0.base.as_str()).finish_non_exhaustive()
    }
}

/// How long a call waits for its answer unless it says otherwise.
pub const CALL_WAIT: Duration = Duration::from_secs(40);
