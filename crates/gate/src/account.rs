//! Prepaid accounts: sessions of the unit `usdc`, charged for something else than streams, such as a broker's calls.
//!
//! A charge is held before anything is served, captured if it was, and released if not. In the ledger it is a stream that
//! nobody opens: its id makes each step idempotent, and a hold that nobody renews returns by itself.

use crate::error::Error;
use crate::gate::Gate;
use crate::pay::check_living;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::sleep;
use tollwire_ledger::model::{Fate, Session};
use tollwire_ledger::{Command, Outcome};
use tollwire_x402::{SessionId, StreamId, Unit, Usdc};

/// What other charges hold may come back: how often that is waited for, and how long each time.
const HELD_ELSEWHERE: (u32, Duration) = (4, Duration::from_millis(250));

/// Calls are bounded by whoever makes them.
const CHARGES_MAX: u32 = u32::MAX;

/// Units held in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    account: SessionId,
    id: StreamId,
    fence: u64,
    units: u64,
}

/// What a charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured {
    /// What is left in the account, in atomic units.
    pub remaining: u64,
}

/// Why an account is not charged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChargeError {
    /// What it has does not suffice.
    #[error("the account's balance does not suffice")]
    Exhausted,
    /// It serves nothing any more, or not now.
    #[error(transparent)]
    Over(Error),
    /// The ledger does not answer: nothing is known of this step. Repeat it.
    #[error(transparent)]
    Store(#[from] tollwire_ledger::Error),
}

impl Charge {
    /// The account.
    pub const fn account(&self) -> &SessionId {
        &self.account
    }

    /// The name of the charge that takes the place of this one if it lapses; always the same.
    fn successor(&self) -> Option<StreamId> {
        format!("{}-", self.id).parse().ok()
    }
}

impl Gate {
    /// The account of a token, if it is one's that is still good and bound to no key.
    pub fn account(&self, token: &str) -> Result<SessionId, Error> {
        let claims = self.check_token(token)?;
        if claims.jkt.is_some() {
            return Err(Error::TokenBound);
        }
        let of_account = claims.unit == Unit::Usdc;
        if of_account { Ok(claims.jti) } else { Err(tollwire_session::Error::WrongFeed.into()) }
    }

    /// The transaction that moved an account's newest deposit.
    pub async fn deposit_of(&self, account: &SessionId) -> Result<Option<String>, tollwire_ledger::Error> {
        let journal = self.ledger.journal(account).await?;
        for id in journal.iter().rev().filter_map(|line| line.payment.as_ref()) {
            if let Some(payment) = self.ledger.payment(id).await?
                && let Fate::Credited(landing) = payment.fate
            {
                return Ok(Some(landing.tx));
            }
        }
        Ok(None)
    }

    /// What is left in an account and held by nobody, in atomic units; `None` if it serves nothing.
    pub async fn balance_of(&self, account: &SessionId) -> Result<Option<u64>, tollwire_ledger::Error> {
        let session = self.ledger.session(account).await?;
        let living = session.filter(|session| check_living(session, self.clock.now()).is_ok());
        Ok(living.map(|session| session.remaining()))
    }

    /// Holds an amount for as long as `lease`.
    pub async fn charge(
        &self,
        account: &SessionId,
        amount: Usdc,
        lease: Duration,
    ) -> Result<Charge, ChargeError> {
        let random = crate::gate::random::<16>().map_err(ChargeError::Over)?;
        let id = hex::encode(random).parse().map_err(|error| ChargeError::Over(Error::from(error)))?;
        let (charge, _) = self.hold(account, id, amount.atomic(), lease).await?;
        Ok(charge)
    }

    /// Prolongs what is held; `false` if it was released or has lapsed.
    pub async fn renew(&self, charge: &Charge, lease: Duration) -> Result<bool, ChargeError> {
        let Charge { account, id, fence, units } = charge.clone();
        let held = self.ledger.apply(hold(account, id, Some(fence), units, lease)).await?;
        Ok(matches!(held, Outcome::Held { .. }))
    }

    /// Takes what is held, once; asked again it says the same. What has lapsed is held again first, under a name of its own,
    /// so that it is taken once as well.
    pub async fn capture(&self, charge: &Charge, lease: Duration) -> Result<Captured, ChargeError> {
        if let Some(captured) = self.post(charge).await? {
            return Ok(captured);
        }
        let Some(id) = charge.successor() else { return Err(ChargeError::Exhausted) };
        let (again, posted) = self.hold(&charge.account, id, charge.units, lease).await?;
        if posted >= charge.units {
            let session = self.ledger.session(&charge.account).await?;
            return Ok(Captured { remaining: session.map_or(0, |session| session.remaining()) });
        }
        self.post(&again).await?.ok_or(ChargeError::Exhausted)
    }

    /// Gives back what is held.
    pub async fn release(&self, charge: &Charge) -> Result<(), ChargeError> {
        let Charge { account, id, fence, .. } = charge.clone();
        let command = Command::Void { session: account, stream: id, fence };
        let _given_back_or_lapsed = self.ledger.apply(command).await?;
        Ok(())
    }

    /// Holds units under a name; with how many were captured under it before.
    async fn hold(
        &self,
        account: &SessionId,
        id: StreamId,
        units: u64,
        lease: Duration,
    ) -> Result<(Charge, u64), ChargeError> {
        let mut tries = HELD_ELSEWHERE.0;
        loop {
            let command = hold(account.clone(), id.clone(), None, units, lease);
            match self.ledger.apply(command).await? {
                Outcome::Held { fence, posted, .. } => {
                    return Ok((Charge { account: account.clone(), id, fence, units }, posted));
                }
                // Only what was captured keeps its name that long.
                Outcome::Conflict => {
                    return Ok((Charge { account: account.clone(), id, fence: 0, units }, units));
                }
                Outcome::Exhausted { held_elsewhere: true } if tries > 0 => {
                    tries = tries.saturating_sub(1);
                    sleep(HELD_ELSEWHERE.1).await;
                }
                Outcome::Exhausted { .. } => return Err(ChargeError::Exhausted),
                _ => return Err(self.over(account).await?),
            }
        }
    }

    /// Captures what is held; `None` if it has lapsed, or is not known any more: a hold need not outlive a crash, what was
    /// captured does.
    async fn post(&self, charge: &Charge) -> Result<Option<Captured>, ChargeError> {
        let Charge { account, id, fence, units } = charge.clone();
        let command =
            Command::Post { session: account, stream: id, fence, to: units, live_for: Duration::ZERO };
        match self.ledger.apply(command).await? {
            Outcome::Done(view) | Outcome::Replayed(view) => {
                let remaining = view.session.as_deref().map_or(0, Session::remaining);
                Ok(Some(Captured { remaining }))
            }
            Outcome::Lapsed | Outcome::Fenced | Outcome::Unknown => Ok(None),
            _ => Err(self.over(&charge.account).await?),
        }
    }

    /// Why an account serves nothing.
    async fn over(&self, account: &SessionId) -> Result<ChargeError, ChargeError> {
        let Some(session) = self.ledger.session(account).await? else {
            return Ok(ChargeError::Over(Error::SessionUnknown));
        };
        let living = check_living(&session, self.clock.now());
        Ok(ChargeError::Over(living.err().unwrap_or(Error::Busy)))
    }
}

fn hold(session: SessionId, stream: StreamId, fence: Option<u64>, to: u64, lease: Duration) -> Command {
    Command::Hold { session, stream, fence, to, lease, streams_max: CHARGES_MAX }
}
