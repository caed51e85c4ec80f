//! Payouts: what providers have earned leaves the sessions, is gathered into one payout per provider, and is sent.
//!
//! ```text
//! for each session of the provider     HandOver   durable: the dues leave the session
//!                                      Gather     durable: the payout has them
//! when enough is gathered              Seal       durable: the payout is owed, and its amount fixed
//!                                      then as a refund: prepare, attach, broadcast, observe, settle
//! ```
//!
//! A crash between any two leaves something that the next round, or the reconciler, goes on with: what was handed over
//! and not gathered shows in the session, what was gathered and not sealed in the payout. One process at a time makes a
//! round, by a lease that correctness does not rest on.

use super::answers::unexpected;
use super::cover::{Cover, account_of, gathering, is_unable};
use super::debt::{self, Debt, broken};
use super::lease::Lease;
use super::{Settler, Shared};
use crate::config::GasBearer;
use crate::deposits::deposits;
use crate::dues::hand_over;
use crate::{Chain, SettleError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::core::REVERSE_WINDOW;
use tollwire_ledger::model::{Fate, Payout, PayoutFate, PayoutId, PayoutOrder, ProviderAccount, Session};
use tollwire_ledger::{Command, Outcome, PayoutCommand, PayoutOutcome};
use tollwire_x402::{Network, SessionId, Usdc};

/// Sessions read from the ledger at once.
const PAGE: usize = 256;

/// How often a command is reckoned anew when things changed meanwhile.
const TRIES: u32 = 5;

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Payouts sealed by it; they are being sent.
    pub sealed: Vec<(PayoutId, Payout)>,
    /// Payouts that are still gathered: what is due and final is below the threshold.
    pub gathering: Vec<(PayoutId, Payout)>,
    /// Chains on which nothing was paid, because the deposit wallet holds less than is owed.
    pub short: Vec<Cover>,
    /// Chains that could not be asked or cannot pay, and why.
    pub failed: Vec<(Network, String)>,
}

impl Settler {
    /// Pays every provider to whom at least the threshold is due (the configured one, unless another is given), on every
    /// chain whose deposit wallet covers all that is owed there. `None` if a round is being made already.
    pub async fn pay_providers(&self, threshold: Option<Usdc>) -> Result<Option<Round>, SettleError> {
        let shared = &self.shared;
        let Ok(_only) = shared.round.try_lock() else { return Ok(None) };
        let (ledger, config) = (shared.ledger.as_ref(), &shared.config);
        let taken = Lease::named(ledger, "payouts".to_owned(), &config.holder, config.lease).await?;
        let Some(mut lease) = taken else { return Ok(None) };
        let threshold = threshold.unwrap_or(config.payouts.threshold);
        let round = tokio::select! {
            biased;
            () = lease.keep() => return Ok(None),
            round = shared.pay_all(threshold) => round,
        };
        lease.give_back().await;
        round.map(Some)
    }

    /// Waits until a payout is no longer pending, at most `wait`, and has it pursued meanwhile. As it stands then.
    pub async fn await_payout(&self, id: &PayoutId, wait: Duration) -> Result<Payout, SettleError> {
        let deadline = Instant::now() + wait;
        let mut pace = self.shared.pace();
        loop {
            let payout = self.shared.ledger.payout(id).await?.ok_or(SettleError::Unknown)?;
            if payout.fate != PayoutFate::Pending {
                return Ok(payout);
            }
            self.shared.pursue_payout(id);
            if tokio::time::timeout_at(deadline, pace.rest()).await.is_err() {
                return Ok(payout);
            }
        }
    }

    /// What is owed on each chain and what is there; raises or ends the alarm.
    pub async fn covers(&self) -> Vec<(Network, Result<Cover, SettleError>)> {
        let mut covers = Vec::new();
        for chain in &self.shared.chains {
            covers.push((chain.info().network, self.shared.look_at_cover(chain.as_ref(), None).await));
        }
        covers
    }
}

impl Shared {
    async fn pay_all(self: &Arc<Self>, threshold: Usdc) -> Result<Round, SettleError> {
        let survey = self.survey().await?;
        let mut round = Round::default();
        for chain in &self.chains {
            let chain = chain.as_ref();
            let network = chain.info().network;
            let enough = |due: u128| due > 0 && due >= u128::from(threshold.atomic());
            let due =
                survey.due.iter().filter(|(account, due)| account.network() == network && enough(**due));
            let accounts: BTreeSet<ProviderAccount> = due.map(|(account, _)| account.clone()).collect();
            match self.look_at_cover(chain, Some(&survey)).await {
                Ok(cover) if cover.is_short() => round.short.push(cover),
                Ok(_) if accounts.is_empty() => {}
                Ok(_) => {
                    if let Err(error) = self.pay_on(chain, accounts, threshold, &mut round).await {
                        round.fail(network, error)?;
                    }
                }
                Err(error) if is_unable(&error) && accounts.is_empty() => {}
                Err(error) => round.fail(network, error)?,
            }
        }
        Ok(round)
    }

    /// Pays these accounts on one chain.
    async fn pay_on(
        self: &Arc<Self>,
        chain: &dyn Chain,
        mut accounts: BTreeSet<ProviderAccount>,
        threshold: Usdc,
        round: &mut Round,
    ) -> Result<(), SettleError> {
        // Before anything leaves a session: can this chain pay that wallet at all, and what does it cost?
        let mut costs = BTreeMap::new();
        for account in &accounts {
            match chain.outgoing_gas(account.wallet()).await.map_err(SettleError::from) {
                Ok(gas) => {
                    costs.insert(account.clone(), gas);
                }
                Err(error) => round.fail(account.network(), error)?,
            }
        }
        accounts.retain(|account| costs.contains_key(account));
        let final_block = chain.final_block().await?;
        self.gather_all(chain, &accounts, final_block).await?;
        for (account, cost) in costs {
            let Some((id, payout)) = gathering(self.ledger.as_ref(), &account).await? else { continue };
            let gas = match self.config.payouts.gas {
                GasBearer::Operator => Usdc::ZERO,
                GasBearer::Provider => cost,
            };
            if payout.gathered < threshold || payout.gathered <= gas {
                round.gathering.push((id, payout));
                continue;
            }
            match self.ledger.pay_out(PayoutCommand::Seal { payout: id.clone(), gas }).await? {
                PayoutOutcome::Done(payout) => {
                    let (amount, parts) = (payout.amount(), payout.parts);
                    tracing::info!(payout = %id, %amount, %gas, parts, "payout sealed");
                    self.pursue_payout(&id);
                    round.sealed.push((id, *payout));
                }
                PayoutOutcome::Replayed(found) => round.sealed.push((id, debt::payout(found, "Seal")?)),
                PayoutOutcome::Conflict | PayoutOutcome::Unknown => round.gathering.push((id, payout)),
            }
        }
        Ok(())
    }

    /// If it cannot be worked on now, the reconciler does it later.
    fn pursue_payout(self: &Arc<Self>, id: &PayoutId) {
        if let Err(error) = self.start_outgoing(&Debt::Payout(id.clone())) {
            tracing::debug!(payout = %id, %error, "payout left for later");
        }
    }

    /// Takes what is due out of every session of these accounts, into their payouts.
    async fn gather_all(
        &self,
        chain: &dyn Chain,
        accounts: &BTreeSet<ProviderAccount>,
        final_block: Option<u64>,
    ) -> Result<(), SettleError> {
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let mut theirs: BTreeMap<ProviderAccount, Vec<(SessionId, Session)>> = BTreeMap::new();
            for (id, session) in page {
                if let Some(account) = account_of(&session).filter(|account| accounts.contains(account)) {
                    theirs.entry(account).or_default().push((id, session));
                }
            }
            for (account, sessions) in theirs {
                let ids = sessions.iter().map(|(id, _)| id.clone()).collect();
                let gathered = self.ledger.gathered(&account, ids).await?;
                for ((id, session), gathered) in sessions.into_iter().zip(gathered) {
                    let wallet = session.provider.clone().unwrap_or_default();
                    let net = self.hand_over(&id, session, final_block).await?;
                    if net > gathered {
                        self.gather(chain, &account, &wallet, &id, net).await?;
                    }
                }
            }
        }
    }

    /// Takes what is due and final out of a session. What it has handed over in all then.
    async fn hand_over(
        &self,
        id: &SessionId,
        mut session: Session,
        final_block: Option<u64>,
    ) -> Result<Usdc, SettleError> {
        let terms = &self.config.payouts;
        for _ in 0..TRIES {
            let due = |session: &Session, held_back, deposits| {
                hand_over(session, terms.fee_bps, terms.unspent, held_back, deposits)
            };
            if session.is_frozen() || due(&session, 0, session.deposited).is_none() {
                return Ok(session.handed.net);
            }
            let held_back = self.may_come_back(id, &session).await?;
            let deposits = self.final_deposits(id, &session, final_block).await?;
            let Some(due) = due(&session, held_back, deposits) else { return Ok(session.handed.net) };
            let command = Command::HandOver { session: id.clone(), due: Box::new(due) };
            match self.ledger.apply(command).await? {
                Outcome::Done(view) | Outcome::Replayed(view) => {
                    let row =
                        view.session.ok_or_else(|| broken("HandOver was answered without the session"))?;
                    return Ok(row.handed.net);
                }
                // It changed since it was read.
                Outcome::Conflict => {}
                other => return Err(unexpected("HandOver", &other)),
            }
            session = self.ledger.session(id).await?.ok_or(SettleError::Unknown)?;
        }
        Ok(session.handed.net)
    }

    /// Captured units that could still be given back, because their streams were opened a moment ago.
    async fn may_come_back(&self, id: &SessionId, session: &Session) -> Result<u64, SettleError> {
        let mut count = 0_u64;
        for stream in session.live.keys() {
            let row = self.ledger.stream(id, stream).await?;
            let young = |at| self.clock.now().since(at) <= REVERSE_WINDOW;
            if row.is_some_and(|row| row.posted == 1 && row.posted_at.is_some_and(young)) {
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    /// What of a session's deposits no reorganisation can take away any more.
    async fn final_deposits(
        &self,
        id: &SessionId,
        session: &Session,
        final_block: Option<u64>,
    ) -> Result<Usdc, SettleError> {
        let Some(last) = final_block.filter(|last| *last < session.last_block) else {
            return Ok(session.deposited);
        };
        let mut sum = Usdc::ZERO;
        for (_, row) in deposits(self.ledger.as_ref(), id).await? {
            if matches!(&row.fate, Fate::Credited(landing) if landing.block <= last) {
                sum = sum
                    .checked_add(row.intent.amount)
                    .ok_or_else(|| broken("a session's payments overflow"))?;
            }
        }
        Ok(sum)
    }

    /// Adds to the account's payout what a session has handed over and nobody has gathered.
    async fn gather(
        &self,
        chain: &dyn Chain,
        account: &ProviderAccount,
        wallet: &str,
        session: &SessionId,
        net: Usdc,
    ) -> Result<(), SettleError> {
        for _ in 0..TRIES {
            let (payout, order) = match gathering(self.ledger.as_ref(), account).await? {
                Some((id, payout)) => (id, payout.order),
                None => self.next_payout(chain, account, wallet).await?,
            };
            let command = PayoutCommand::Gather { payout, order, session: session.clone(), net };
            match self.ledger.pay_out(command).await? {
                PayoutOutcome::Done(_) | PayoutOutcome::Replayed(_) => return Ok(()),
                // Another process sealed it, or opened the next.
                PayoutOutcome::Conflict => {}
                PayoutOutcome::Unknown => return Err(broken("Gather was answered unknown")),
            }
        }
        // What was handed over shows in the session: the next round gathers it.
        tracing::warn!(%account, %session, "dues are gathered in the next round");
        Ok(())
    }

    async fn next_payout(
        &self,
        chain: &dyn Chain,
        account: &ProviderAccount,
        wallet: &str,
    ) -> Result<(PayoutId, PayoutOrder), SettleError> {
        let last = self.ledger.provider(account).await?.map_or(0, |provider| provider.payouts);
        let number = last.checked_add(1).ok_or_else(|| broken("a provider's payouts cannot be counted"))?;
        let info = chain.info();
        let order = PayoutOrder {
            asset: info.asset.clone(),
            from: info.deposit_wallet.clone(),
            to: wallet.to_owned(),
        };
        Ok((PayoutId { account: account.clone(), number }, order))
    }
}

impl Round {
    /// Notes what failed on one chain; a failing ledger ends the round.
    fn fail(&mut self, network: Network, error: SettleError) -> Result<(), SettleError> {
        if matches!(error, SettleError::Store(_)) {
            return Err(error);
        }
        tracing::warn!(%network, %error, "providers cannot be paid on this chain now");
        self.failed.push((network, error.to_string()));
        Ok(())
    }
}
