//! What is owed on each chain, and whether the deposit wallet holds that much.
//!
//! The walk is no snapshot: money that moves meanwhile may be counted twice, never left out of both. So a shortage counts
//! only if a second look finds it again.

use super::Shared;
use crate::chain::Delivery;
use crate::deposits::deposits;
use crate::dues::{Statement, statement};
use crate::{Chain, ChainError, SettleError};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::Ledger;
use tollwire_ledger::model::{Outgoing, Payout, PayoutId, ProviderAccount, Session};
use tollwire_x402::{Network, SessionId, Usdc};

/// Rows read from the ledger at once.
const PAGE: usize = 256;

/// How long the answer to "is there enough for all" is good, between the transactions of one round.
const FRESH: Duration = Duration::from_secs(30);

/// What is owed on a chain, and what the deposit wallet holds, in atomic units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    /// Where.
    pub network: Network,
    /// What the deposit wallet holds.
    pub custody: Usdc,
    /// What is owed: payers' unspent deposits, providers' dues, refunds and payouts under way.
    pub owed: u128,
}

impl Cover {
    /// Whether less is there than is owed.
    pub fn is_short(&self) -> bool {
        u128::from(self.custody.atomic()) < self.owed
    }
}

/// When each chain was last found covered.
#[derive(Debug, Default)]
pub(super) struct Covers(Mutex<BTreeMap<Network, Instant>>);

impl Covers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Network, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the ledger says is owed.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// In all, by network.
    pub(super) owed: BTreeMap<Network, u128>,
    /// To each provider, whatever can be paid of it now: dues, what is handed over, what is gathered.
    pub(super) due: BTreeMap<ProviderAccount, u128>,
    /// Of what is owed, transfers that may have left the wallet already.
    under_way: Vec<Outgoing>,
}

impl Survey {
    fn owe(&mut self, network: Network, amount: u128) {
        let sum = self.owed.entry(network).or_default();
        *sum = sum.saturating_add(amount);
    }

    fn send(&mut self, outgoing: Outgoing) {
        self.owe(outgoing.network, atomic(outgoing.amount));
        if !outgoing.attempts.is_empty() {
            self.under_way.push(outgoing);
        }
    }

    fn unowe(&mut self, network: Network, amount: Usdc) {
        let sum = self.owed.entry(network).or_default();
        *sum = sum.saturating_sub(atomic(amount));
    }

    fn due_to(&mut self, account: &ProviderAccount, amount: u128) {
        let sum = self.due.entry(account.clone()).or_default();
        *sum = sum.saturating_add(amount);
    }

    /// Counts what of a session is owed; `missed` of its deposits is not there, and so is nobody's.
    fn session(&mut self, session: &Session, shares: Option<Statement>, missed: Usdc) {
        // All of the deposit that is neither the operator's nor returned, and all that was handed over; payouts that
        // were paid are taken off afterwards.
        let operators = shares.map_or(0, |shares| atomic(shares.fee).saturating_add(atomic(shares.gas)));
        let kept = atomic(session.deposited).saturating_sub(atomic(session.returned));
        self.owe(session.network, kept.saturating_sub(operators).saturating_sub(atomic(missed)));
        if shares.is_none() {
            tracing::error!("a session's numbers contradict each other; all of it counts as owed");
        }
        // Of a frozen session nothing is handed over.
        if let (Some(account), Some(shares)) = (account_of(session), shares) {
            let due = if session.is_frozen() { shares.handed } else { shares.provider_net };
            self.due_to(&account, atomic(due));
        }
    }
}

/// The account that a session's dues belong to.
pub(super) fn account_of(session: &Session) -> Option<ProviderAccount> {
    ProviderAccount::new(session.network, session.provider.as_deref()?).ok()
}

fn atomic(amount: Usdc) -> u128 {
    u128::from(amount.atomic())
}

impl Shared {
    /// Adds up what is owed. Reads every session: its cost grows with their number.
    pub(super) async fn survey(&self) -> Result<Survey, SettleError> {
        let (ledger, terms) = (self.ledger.as_ref(), &self.config.payouts);
        let mut survey = Survey::default();
        let mut after = None;
        loop {
            let page = ledger.refunds_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, refund) in &page {
                survey.send(refund.outgoing());
            }
        }
        let mut after = None;
        loop {
            let page = ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (id, session) in &page {
                let missed = if session.is_frozen() { self.missed_of(id).await? } else { Usdc::ZERO };
                survey.session(session, statement(session, terms.fee_bps, terms.unspent), missed);
            }
        }
        self.take_off_payouts(&mut survey).await?;
        Ok(survey)
    }

    /// What of a session's deposits the chain took back.
    async fn missed_of(&self, session: &SessionId) -> Result<Usdc, SettleError> {
        let mut sum = Usdc::ZERO;
        let deposits = deposits(self.ledger.as_ref(), session).await?;
        for (_, payment) in deposits.iter().filter(|(_, payment)| payment.gone) {
            sum = sum.checked_add(payment.intent.amount).unwrap_or(Usdc::MAX);
        }
        Ok(sum)
    }

    /// What was gathered is owed no more once it was paid; until then it is owed by its payout.
    async fn take_off_payouts(&self, survey: &mut Survey) -> Result<(), SettleError> {
        let ledger = self.ledger.as_ref();
        let mut after = None;
        loop {
            let page = ledger.providers(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (account, provider) in &page {
                survey.unowe(account.network(), provider.gathered);
                let due = survey.due.entry(account.clone()).or_default();
                *due = due.saturating_sub(atomic(provider.gathered));
                if let Some((_, payout)) = gathering(ledger, account).await? {
                    survey.due_to(account, atomic(payout.gathered));
                    survey.owe(account.network(), atomic(payout.gathered));
                }
            }
        }
        let mut after = None;
        loop {
            let page = ledger.payouts_in_doubt(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (id, payout) in &page {
                survey.send(payout.outgoing(id.account.network()));
            }
        }
        Ok(())
    }

    /// Whether there is enough on a chain for all that is owed there, as found a moment ago or now.
    pub(super) async fn is_covered(&self, chain: &dyn Chain) -> Result<bool, SettleError> {
        let network = chain.info().network;
        if self.covers.lock().get(&network).is_some_and(|found| found.elapsed() < FRESH) {
            return Ok(true);
        }
        Ok(!self.look_at_cover(chain, None).await?.is_short())
    }

    /// Compares what is owed on a chain with what is there, and raises or ends the alarm.
    pub(super) async fn look_at_cover(
        &self,
        chain: &dyn Chain,
        survey: Option<&Survey>,
    ) -> Result<Cover, SettleError> {
        let network = chain.info().network;
        let reckon = |survey: &Survey, custody| {
            let owed = survey.owed.get(&network).copied().unwrap_or_default();
            Cover { network, custody, owed }
        };
        let mut cover = match survey {
            Some(survey) => reckon(survey, chain.custody().await?),
            None => reckon(&self.survey().await?, chain.custody().await?),
        };
        if cover.is_short() {
            let survey = self.survey().await?;
            cover = reckon(&survey, chain.custody().await?);
            cover.owed = cover.owed.saturating_sub(landed(chain, &survey).await?);
        }
        let claim = chain.info().claim.clone();
        metrics::gauge!("tollwire_custody_short", "chain" => claim).set(u32::from(cover.is_short()));
        if cover.is_short() {
            self.covers.lock().remove(&network);
            let (custody, owed) = (cover.custody.atomic(), cover.owed);
            tracing::error!(
                %network, custody, owed,
                "the deposit wallet holds less than is owed: no provider is paid on this chain until it does"
            );
        } else {
            self.covers.lock().insert(network, Instant::now());
        }
        Ok(cover)
    }
}

/// What has left the wallet though the ledger has not been told of it yet.
async fn landed(chain: &dyn Chain, survey: &Survey) -> Result<u128, SettleError> {
    let mut sum = 0_u128;
    for outgoing in survey.under_way.iter().filter(|outgoing| outgoing.network == chain.info().network) {
        if matches!(chain.observe_outgoing(outgoing).await?, Delivery::Landed(_)) {
            sum = sum.saturating_add(atomic(outgoing.amount));
        }
    }
    Ok(sum)
}

/// The payout that an account gathers, if it does.
pub(super) async fn gathering(
    ledger: &dyn Ledger,
    account: &ProviderAccount,
) -> Result<Option<(PayoutId, Payout)>, SettleError> {
    let Some(provider) = ledger.provider(account).await?.filter(|provider| provider.gathering) else {
        return Ok(None);
    };
    let id = PayoutId { account: account.clone(), number: provider.payouts };
    Ok(ledger.payout(&id).await?.map(|payout| (id, payout)))
}

/// A chain that cannot tell what it holds pays nobody.
pub(super) fn is_unable(error: &SettleError) -> bool {
    matches!(error, SettleError::Chain(ChainError::CannotPay(_)))
}
