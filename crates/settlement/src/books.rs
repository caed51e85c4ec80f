//! Double entry: the ledger's rows as postings, each a debit of one account and a credit of another, per chain.
//!
//! Postings come from rows that know nothing of each other: what was paid in from payments, what was earned from sessions,
//! what went back from refunds, what was paid out from hand-overs, gatherings and payouts. Every account's balance is then
//! compared with what other rows state it to be, so that a unit that was lost or doubled between two of them shows.

mod post;

pub use post::{Account, Entry};

use crate::config::PayoutTerms;
use crate::deposits::deposits;
use crate::dues::statement;
use post::Postings;
use std::collections::BTreeMap;
use tollwire_ledger::model::{
    Fate, Payout, PayoutFate, PayoutId, ProviderAccount, Refund, RefundFate, RefundId, Session,
};
use tollwire_ledger::{Error, Ledger};
use tollwire_x402::{Network, SessionId, Usdc};

/// Rows read from the ledger at once.
const PAGE: usize = 256;

/// The books of one chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialBalance {
    /// Each account that anything was posted to.
    pub entries: Vec<Entry>,
    /// Sessions whose numbers contradict each other; anything but 0 is a defect.
    pub contradictory: u64,
}

impl TrialBalance {
    /// All debits less all credits; anything but 0 is a defect of the books themselves.
    pub fn difference(&self) -> i128 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.balance()))
    }

    /// Atomic units that the rows do not explain: by how much accounts differ from what is stated of them.
    pub fn unexplained(&self) -> u128 {
        let off = |entry: &Entry| entry.stated.map_or(0, |stated| entry.balance().abs_diff(stated));
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(off(entry)))
    }

    /// Whether debits equal credits and every account is what is stated of it.
    pub fn is_zero(&self) -> bool {
        self.difference() == 0 && self.unexplained() == 0 && self.contradictory == 0
    }

    /// An account's debits less its credits.
    pub fn balance(&self, account: Account) -> i128 {
        self.entries.iter().find(|entry| entry.account == account).map_or(0, Entry::balance)
    }
}

/// Adds up the books of every chain. Reads every session with its journal, payments, refunds and payouts: its cost grows
/// with their number. What changes meanwhile may show as a difference.
pub async fn trial_balance(
    ledger: &dyn Ledger,
    terms: &PayoutTerms,
) -> Result<BTreeMap<Network, TrialBalance>, Error> {
    let mut books = Books { ledger, terms, chains: BTreeMap::new() };
    books.sessions().await?;
    books.providers().await?;
    let close = |(network, chain): (Network, Chain)| {
        let balance = TrialBalance { entries: chain.postings.entries(), contradictory: chain.contradictory };
        (network, balance)
    };
    Ok(books.chains.into_iter().map(close).collect())
}

/// Every payout, by account and number.
pub async fn payouts(ledger: &dyn Ledger) -> Result<Vec<(PayoutId, Payout)>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.providers(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        for (account, provider) in page {
            for number in 1..=provider.payouts {
                let id = PayoutId { account: account.clone(), number };
                found.extend(ledger.payout(&id).await?.map(|payout| (id, payout)));
            }
        }
    }
}

#[derive(Default)]
struct Chain {
    postings: Postings,
    contradictory: u64,
}

struct Books<'a> {
    ledger: &'a dyn Ledger,
    terms: &'a PayoutTerms,
    chains: BTreeMap<Network, Chain>,
}

impl Books<'_> {
    async fn sessions(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.ledger.sessions(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            self.gathered(&page).await?;
            for (id, session) in &page {
                self.payments(id, session).await?;
                self.earned(session);
                for number in 1..=session.refunds {
                    let id = RefundId { session: id.clone(), number };
                    if let Some(refund) = self.ledger.refund(&id).await? {
                        self.refund(&refund);
                    }
                }
            }
        }
    }

    fn chain(&mut self, network: Network) -> &mut Chain {
        self.chains.entry(network).or_default()
    }

    fn postings(&mut self, network: Network) -> &mut Postings {
        &mut self.chain(network).postings
    }

    /// What came in, by the payments that a session's journal names.
    async fn payments(&mut self, id: &SessionId, session: &Session) -> Result<(), Error> {
        for (_, row) in deposits(self.ledger, id).await? {
            if let Fate::Credited(landing) = &row.fate {
                let postings = self.postings(row.intent.network);
                postings.post(Account::Custody, Account::Payers, row.intent.amount);
                postings.post(Account::GasSpent, Account::GasFunds, landing.gas);
            }
        }
        self.postings(session.network).state(Account::GasSpent, session.gas);
        Ok(())
    }

    /// How a session's money divides, by its sums.
    fn earned(&mut self, session: &Session) {
        let shares = statement(session, self.terms.fee_bps, self.terms.unspent);
        let Some(shares) = shares else {
            let chain = self.chain(session.network);
            chain.contradictory = chain.contradictory.saturating_add(1);
            return;
        };
        let postings = self.postings(session.network);
        postings.post(Account::Payers, Account::Dues, shares.provider_net);
        postings.post(Account::Payers, Account::Fees, shares.fee);
        postings.post(Account::Payers, Account::GasCharged, shares.gas);
        postings.post(Account::Dues, Account::HandedOver, session.handed.net);
        // What is left to the payer: units not used, and those that expired to be refunded.
        let sent = session.returned.checked_sub(session.withheld).unwrap_or_default();
        let owed = shares.refunded.checked_sub(sent).unwrap_or_default();
        postings.owe(Account::Payers, shares.unspent);
        postings.owe(Account::Payers, owed);
        let due = shares.provider_net.checked_sub(session.handed.net).unwrap_or_default();
        postings.owe(Account::Dues, due);
        postings.owe(Account::HandedOver, session.handed.net);
    }

    fn refund(&mut self, refund: &Refund) {
        let (amount, gas) = (refund.order.amount(), refund.order.gas);
        let postings = self.postings(refund.order.network);
        postings.post(Account::Payers, Account::Refunds, amount);
        postings.post(Account::Payers, Account::GasCharged, gas);
        match &refund.fate {
            RefundFate::Pending => postings.owe(Account::Refunds, amount),
            RefundFate::Nothing => {}
            RefundFate::Paid(landing) => {
                postings.post(Account::Refunds, Account::Custody, amount);
                postings.post(Account::GasSpent, Account::GasFunds, landing.gas);
                postings.state(Account::GasSpent, landing.gas);
            }
        }
    }

    /// What accounts have gathered of what these sessions handed over.
    async fn gathered(&mut self, page: &[(SessionId, Session)]) -> Result<(), Error> {
        let mut theirs: BTreeMap<ProviderAccount, Vec<SessionId>> = BTreeMap::new();
        for (id, session) in page.iter().filter(|(_, session)| session.handed.net > Usdc::ZERO) {
            let wallet = session.provider.as_deref().unwrap_or_default();
            if let Ok(account) = ProviderAccount::new(session.network, wallet) {
                theirs.entry(account).or_default().push(id.clone());
            }
        }
        for (account, sessions) in theirs {
            for gathered in self.ledger.gathered(&account, sessions).await? {
                self.postings(account.network()).unowe(Account::HandedOver, gathered);
            }
        }
        Ok(())
    }

    async fn providers(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.ledger.providers(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (account, provider) in page {
                let postings = self.postings(account.network());
                postings.post(Account::HandedOver, Account::Payouts, provider.gathered);
            }
        }
        for (id, payout) in payouts(self.ledger).await? {
            self.payout(id.account.network(), &payout);
        }
        Ok(())
    }

    fn payout(&mut self, network: Network, payout: &Payout) {
        let postings = self.postings(network);
        postings.post(Account::Payouts, Account::GasCharged, payout.gas);
        match &payout.fate {
            PayoutFate::Gathering | PayoutFate::Pending => postings.owe(Account::Payouts, payout.amount()),
            PayoutFate::Paid(landing) => {
                postings.post(Account::Payouts, Account::Custody, payout.amount());
                postings.post(Account::GasSpent, Account::GasFunds, landing.gas);
                postings.state(Account::GasSpent, landing.gas);
            }
        }
    }
}
