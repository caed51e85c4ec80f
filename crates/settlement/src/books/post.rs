//! Accounts, and what was posted to them.

use std::collections::BTreeMap;
use tollwire_x402::Usdc;

/// An account of the operator's books, of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Asset: what the deposit wallet holds of what went through the ledger.
    Custody,
    /// Liability: what payers have not used yet.
    Payers,
    /// Liability: refunds that were ordered and have not arrived.
    Refunds,
    /// Liability: what providers have earned and sessions still hold.
    Dues,
    /// Liability: what sessions have handed over and no payout has gathered.
    HandedOver,
    /// Liability: payouts that are gathered, or sealed and have not arrived.
    Payouts,
    /// Income: the fee.
    Fees,
    /// Income: gas charged to providers and payers.
    GasCharged,
    /// Expense: gas of settlements, refunds and payouts, at the configured rate.
    GasSpent,
    /// The operator's own coins that gas was paid with, at the configured rate.
    GasFunds,
}

impl Account {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Custody => "custody",
            Self::Payers => "payers_unspent",
            Self::Refunds => "refunds_under_way",
            Self::Dues => "providers_due",
            Self::HandedOver => "handed_over",
            Self::Payouts => "payouts_under_way",
            Self::Fees => "fees",
            Self::GasCharged => "gas_charged",
            Self::GasSpent => "gas_spent",
            Self::GasFunds => "gas_funds",
        }
    }

    /// Whether it is owed to somebody outside.
    pub const fn is_liability(self) -> bool {
        matches!(self, Self::Payers | Self::Refunds | Self::Dues | Self::HandedOver | Self::Payouts)
    }
}

/// What was posted to an account, in atomic units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub account: Account,
    /// All debits.
    pub debit: u128,
    /// All credits.
    pub credit: u128,
    /// What its balance is by other rows than those it was posted from; `None` where there are none.
    pub stated: Option<i128>,
}

impl Entry {
    /// Debits less credits: positive for assets and expenses, negative for liabilities and income.
    pub fn balance(&self) -> i128 {
        signed(self.debit).saturating_sub(signed(self.credit))
    }
}

#[derive(Debug, Default)]
pub(super) struct Postings(BTreeMap<Account, Sums>);

#[derive(Debug, Default)]
struct Sums {
    debit: u128,
    credit: u128,
    stated: Option<i128>,
}

impl Postings {
    /// One posting. An account that money goes through has a balance by other rows too, at first nothing.
    pub(super) fn post(&mut self, debit: Account, credit: Account, amount: Usdc) {
        let amount = u128::from(amount.atomic());
        let sums = self.of(debit);
        sums.debit = sums.debit.saturating_add(amount);
        let sums = self.of(credit);
        sums.credit = sums.credit.saturating_add(amount);
    }

    /// By other rows, the account's balance is this much more on the debit side.
    pub(super) fn state(&mut self, account: Account, amount: Usdc) {
        self.shift(account, i128::from(amount.atomic()));
    }

    /// By other rows, this much more of it is owed.
    pub(super) fn owe(&mut self, account: Account, amount: Usdc) {
        self.shift(account, i128::from(amount.atomic()).saturating_neg());
    }

    /// By other rows, this much less of it is owed.
    pub(super) fn unowe(&mut self, account: Account, amount: Usdc) {
        self.shift(account, i128::from(amount.atomic()));
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |(account, sums): (&Account, &Sums)| Entry {
            account: *account,
            debit: sums.debit,
            credit: sums.credit,
            stated: sums.stated,
        };
        self.0.iter().map(entry).collect()
    }

    fn shift(&mut self, account: Account, by: i128) {
        let sums = self.of(account);
        sums.stated = Some(sums.stated.unwrap_or_default().saturating_add(by));
    }

    fn of(&mut self, account: Account) -> &mut Sums {
        let fresh = || Sums { stated: account.is_liability().then_some(0), ..Sums::default() };
        self.0.entry(account).or_insert_with(fresh)
    }
}

fn signed(sum: u128) -> i128 {
    i128::try_from(sum).unwrap_or(i128::MAX)
}
