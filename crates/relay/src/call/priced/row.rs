//! How far a paid call is, as the store keeps it.

use super::held::Held;
use super::presented::{Hash, Presented, Proofs};
use crate::store::{Row, StoreError};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tollwire_gate::Charge;
use tollwire_ledger::Timestamp;
use tollwire_x402::{PaymentId, SessionId};

/// The version this build writes.
const VERSION: u8 = 2;

/// How long a paid answer is kept, at least.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// How long after the end of its payment's validity, at least.
const KEPT_PAST_VALIDITY: Duration = Duration::from_mins(10);

/// How long a payment in doubt is asked after.
const IN_DOUBT_FOR: Duration = Duration::from_hours(24);

/// A paid call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PaidCall {
    fingerprint: Hash,
    payload: Hash,
    quote: Option<Hash>,
    claim: Option<Hash>,
    /// Seconds since the epoch.
    valid_before: u64,
    pub(super) state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Somebody asks the API, until then at the latest (milliseconds since the epoch). Nothing was settled.
    Executing { until: u64 },
    /// The API has answered, and the payment may have been settled.
    Settling {
        /// Until when nobody else need do anything.
        until: u64,
        /// How often the facilitator did not say what became of it; 0 while it is asked for the first time.
        doubts: u32,
        held: Held,
        due: Due,
    },
    /// It was, and the answer is its payer's.
    Settled { held: Held, settlement: Settlement },
}

/// What is still to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Due {
    /// What the facilitator is asked, as JSON.
    Payment(String),
    /// What is held in an account.
    Charge(Charge),
}

/// How it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Settlement {
    /// The facilitator's answer, as JSON.
    Payment(String),
    /// What was left in the account, in atomic units.
    Account(u64),
}

impl PaidCall {
    pub(super) fn executing(presented: &Presented, until: Timestamp) -> Self {
        Self {
            fingerprint: presented.fingerprint,
            payload: presented.payload,
            quote: presented.proofs.quote,
            claim: presented.proofs.claim,
            valid_before: presented.valid_before,
            state: State::Executing { until: until.millis() },
        }
    }

    /// The same call in another state.
    pub(super) fn with(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }

    /// What proves that whoever presents the payment again is its payer.
    pub(super) const fn proofs(&self) -> Proofs {
        Proofs { quote: self.quote, claim: self.claim }
    }

    /// Whether this is the call that a payment is presented for. What no key of the payer's has signed must be the very
    /// payload that was presented first.
    pub(super) fn is_of(&self, presented: &Presented) -> bool {
        self.fingerprint == presented.fingerprint
            && (presented.signature_checked || self.payload == presented.payload)
    }

    /// Until when the row must be kept.
    pub(super) fn keep_until(&self, now: Timestamp) -> Timestamp {
        let validity = Timestamp::from_millis(self.valid_before.saturating_mul(1_000));
        let kept = match self.state {
            State::Settling { .. } => IN_DOUBT_FOR,
            State::Executing { .. } | State::Settled { .. } => KEPT_FOR,
        };
        // A payment that is said to be valid for years is refused by its facilitator, so no row stays that long.
        let latest = now.after(IN_DOUBT_FOR);
        now.after(kept).max(validity.after(KEPT_PAST_VALIDITY)).min(latest)
    }

    /// When somebody should ask what became of it, if nobody does.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::Settling { until, .. } => Some(Timestamp::from_millis(until)),
            State::Executing { .. } | State::Settled { .. } => None,
        }
    }

    /// As a row of this version.
    pub(super) fn row(&self, version: u64) -> Result<Row, StoreError> {
        let content = postcard::to_extend(self, vec![VERSION])
            .map_err(|error| StoreError::Corrupt(format!("cannot encode a paid call: {error}")))?;
        Ok(Row { version, content })
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let unreadable = |why: &str| StoreError::Corrupt(format!("paid call: {why}"));
        match row.content.split_first() {
            Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
                Ok((paid, [])) => Ok(paid),
                Ok(_) => Err(unreadable("bytes are left over")),
                Err(error) => Err(unreadable(&error.to_string())),
            },
            Some((version, _)) => Err(unreadable(&format!("version {version} is not known"))),
            None => Err(unreadable("empty")),
        }
    }
}

/// The key of a payment's row.
pub(super) fn key(id: &PaymentId) -> String {
    format!("paid/{id}")
}

/// The key of the row of a call that an account pays for.
pub(super) fn account_key(account: &SessionId, name: &Hash) -> String {
    format!("account/{account}/{}", hex::encode(name))
}
