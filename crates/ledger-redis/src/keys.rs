//! Names of keys. All keys of one session share the hash tag `{jti}`, all of one provider's account that of its text.

use tollwire_ledger::model::{PayoutId, ProviderAccount, RefundId, payer_key, tx_key};
use tollwire_x402::{PaymentId, SessionId};

/// Makes key names under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn of_session(&self, session: &SessionId, what: &str) -> String {
        format!("{}{{{session}}}:{what}", self.prefix)
    }

    /// The session's sums, holds and live streams: a hash.
    pub(crate) fn session(&self, session: &SessionId) -> String {
        self.of_session(session, "session")
    }

    /// Its streams by id: a hash.
    pub(crate) fn streams(&self, session: &SessionId) -> String {
        self.of_session(session, "streams")
    }

    /// Those of them that are live: a sorted set, by the time at which each must have ended.
    pub(crate) fn live(&self, session: &SessionId) -> String {
        self.of_session(session, "live")
    }

    /// Its journal, oldest line first: a list.
    pub(crate) fn journal(&self, session: &SessionId) -> String {
        self.of_session(session, "journal")
    }

    /// A payment recorded for it: a hash.
    pub(crate) fn payment(&self, session: &SessionId, payment: &PaymentId) -> String {
        format!("{}{payment}", self.of_session(session, "payment:"))
    }

    /// A refund of it: a hash.
    pub(crate) fn refund(&self, session: &SessionId, number: u32) -> String {
        self.of_session(session, &format!("refund:{number}"))
    }

    /// The session a payment is recorded for: a string, written once.
    pub(crate) fn pointer(&self, payment: &PaymentId) -> String {
        format!("{}at:{payment}", self.prefix)
    }

    /// At least every payment whose fate is pending: a sorted set in identity order.
    pub(crate) fn in_doubt(&self) -> String {
        format!("{}in-doubt", self.prefix)
    }

    /// At least every refund that is pending: a sorted set in the order of [`refund_entry`].
    pub(crate) fn refunds_in_doubt(&self) -> String {
        format!("{}refunds-in-doubt", self.prefix)
    }

    fn of_account(&self, account: &ProviderAccount, what: &str) -> String {
        format!("{}{{{account}}}:{what}", self.prefix)
    }

    /// A provider's account: a hash.
    pub(crate) fn provider(&self, account: &ProviderAccount) -> String {
        self.of_account(account, "provider")
    }

    /// A payout of it: a hash.
    pub(crate) fn payout(&self, id: &PayoutId) -> String {
        self.of_account(&id.account, &format!("payout:{}", id.number))
    }

    /// What it has gathered in all, by session: a hash.
    pub(crate) fn gathered(&self, account: &ProviderAccount) -> String {
        self.of_account(account, "gathered")
    }

    /// At least every provider's account: a sorted set in the order of their texts.
    pub(crate) fn providers(&self) -> String {
        format!("{}providers", self.prefix)
    }

    /// At least every payout that is sealed and pending: a sorted set in the order of [`payout_entry`].
    pub(crate) fn payouts_in_doubt(&self) -> String {
        format!("{}payouts-in-doubt", self.prefix)
    }

    /// At least every session: a sorted set in identity order.
    pub(crate) fn sessions(&self) -> String {
        format!("{}sessions", self.prefix)
    }

    /// At least the sessions a wallet paid for: a sorted set, by the time of their first payment's record.
    pub(crate) fn payer(&self, payer: &str) -> String {
        format!("{}payer:{}", self.prefix, payer_key(payer))
    }

    /// At least every payment that a transaction was made for: a sorted set in identity order.
    pub(crate) fn transaction(&self, tx: &str) -> String {
        format!("{}tx:{}", self.prefix, tx_key(tx))
    }

    /// A purse's window, counters and spendings: a hash.
    pub(crate) fn purse(&self, purse: &str) -> String {
        format!("{}purse:{purse}", self.prefix)
    }

    pub(crate) fn once(&self, key: &str) -> String {
        format!("{}once:{key}", self.prefix)
    }

    pub(crate) fn lease(&self, name: &str) -> String {
        format!("{}lease:{name}", self.prefix)
    }
}

/// A payout in the index: ordered as text as its id is ordered.
pub(crate) fn payout_entry(id: &PayoutId) -> String {
    format!("{} {:010}", id.account, id.number)
}

/// A refund in the index: ordered as text as its id is ordered.
pub(crate) fn refund_entry(id: &RefundId) -> String {
    format!("{} {:010}", id.session, id.number)
}
