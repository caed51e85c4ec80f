//! A prepaid account that pays for a client's calls: bought when the first of them needs it, topped up when it runs dry.

use crate::endpoint::Endpoint;
use crate::payer::Payer;
use crate::session::Session;
use crate::{Error, wallet};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Where accounts are sold.
const ROUTE: &str = "/feeds/prepaid/session";

/// The most top-ups that one call makes; a price that needs more is not worth asking for.
pub(super) const TOP_UPS_MAX: u32 = 8;

/// The account of one client, shared by all its calls.
pub(super) struct Account {
    url: String,
    state: tokio::sync::Mutex<State>,
    /// APIs whose calls it has paid for: only of those is a call under a name of its own made once, however often it is sent.
    priced: Mutex<HashSet<String>>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    /// How often it was changed; what a call has seen is told apart by it.
    turn: u64,
}

/// What a call presents.
pub(super) struct Presented {
    pub(super) session: Session,
    turn: u64,
}

impl Account {
    pub(super) fn at(broker: &Endpoint) -> Result<Self, Error> {
        let url = broker.below(ROUTE)?.as_str().to_owned();
        Ok(Self { url, state: tokio::sync::Mutex::default(), priced: Mutex::default() })
    }

    /// The account as it is; one that this wallet has from before, or a new one, if there is none yet.
    pub(super) async fn present(&self, payer: &Payer) -> Result<Presented, Error> {
        let mut state = self.state.lock().await;
        let session = if let Some(session) = &state.session {
            session.clone()
        } else {
            let session = match payer.sign_in(&self.url).await {
                Ok(Some(session)) => session,
                // Whoever sells no sign-in sells accounts all the same.
                Ok(None) | Err(Error::Status { .. } | Error::Protocol(_)) => payer.buy(&self.url).await?,
                Err(error) => return Err(error),
            };
            state.turn = state.turn.saturating_add(1);
            state.session.insert(session).clone()
        };
        Ok(Presented { session, turn: state.turn })
    }

    /// Buys more, unless another call has done so since.
    pub(super) async fn top_up(&self, payer: &Payer, seen: &Presented) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let turn = state.turn;
        let Some(session) = state.session.as_mut().filter(|_| turn == seen.turn) else { return Ok(()) };
        payer.top_up(session).await?;
        state.turn = turn.saturating_add(1);
        Ok(())
    }

    /// Lets a token go that admits no more, unless another call has done so since: a fresh one of the same account is signed
    /// in for, or another account bought.
    pub(super) async fn renew(&self, seen: &Presented) {
        let mut state = self.state.lock().await;
        if state.turn == seen.turn {
            state.session = None;
        }
    }

    /// It has paid for a call of this API.
    pub(super) fn has_paid(&self, api: &str) {
        self.priced.lock().unwrap_or_else(PoisonError::into_inner).insert(api.to_owned());
    }

    pub(super) fn pays_for(&self, api: &str) -> bool {
        self.priced.lock().unwrap_or_else(PoisonError::into_inner).contains(api)
    }
}

/// A name for one call of an account: the same name and request are made, and charged, once.
pub(super) fn fresh_claim() -> Result<String, Error> {
    Ok(hex::encode(wallet::random::<16>()?))
}
