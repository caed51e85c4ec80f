//! What can be asked of a provider's account. Every command is idempotent, by id or by a cumulative amount.

use crate::model::{Attempt, Landing, Payout, PayoutId, PayoutOrder};
use tollwire_x402::{SessionId, Usdc};

/// A command of a provider's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayoutCommand {
    /// Add to a payout what a session has handed over and no payout has gathered yet. The first part opens the payout.
    ///
    /// Done, Replayed (that much was gathered from this session before, by this payout or another), Conflict (the payout
    /// is sealed, pays somebody else, does not follow the account's last one, or that one is not sealed yet; or the sums
    /// would pass what can be counted).
    Gather {
        /// The payout: the account's last one if that is being gathered, else the next.
        payout: PayoutId,
        /// Who pays whom.
        order: PayoutOrder,
        /// The session.
        session: SessionId,
        /// What it has handed over in all.
        net: Usdc,
    },
    /// End the gathering: from now on what was gathered is owed, less the `gas` that is withheld.
    ///
    /// Done, Replayed, Unknown, Conflict (nothing would be left).
    Seal {
        /// Which.
        payout: PayoutId,
        /// What is withheld for the gas of sending.
        gas: Usdc,
    },
    /// Remember the transaction that is about to pay it. Only what is attached may be broadcast.
    ///
    /// Done, Replayed (this transaction is attached, or the payout needs none any more), Unknown, Conflict (it is not
    /// sealed; it has not `made` transactions, so that whoever made this one did not know of all; or as many as
    /// [`ATTEMPTS_MAX`](crate::model::Outgoing::ATTEMPTS_MAX)).
    Attach {
        /// Which.
        payout: PayoutId,
        /// The transactions it had when this one was made.
        made: u32,
        /// The transaction.
        attempt: Attempt,
    },
    /// The payout has arrived. Done, Replayed, Unknown, Conflict (it is not sealed).
    Settle {
        /// Which.
        payout: PayoutId,
        /// How it landed.
        landing: Landing,
    },
}

impl PayoutCommand {
    /// The payout a command names.
    pub fn payout(&self) -> &PayoutId {
        match self {
            Self::Gather { payout, .. }
            | Self::Seal { payout, .. }
            | Self::Attach { payout, .. }
            | Self::Settle { payout, .. } => payout,
        }
    }

    /// The session a command names, if any.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Gather { session, .. } => Some(session),
            Self::Seal { .. } | Self::Attach { .. } | Self::Settle { .. } => None,
        }
    }
}

/// The answer to a command of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an outcome other than Done says that nothing was changed"]
pub enum PayoutOutcome {
    /// Applied; the payout as it stands now.
    Done(Box<Payout>),
    /// It had been applied before; the payout as it stands, if there is one of this number.
    Replayed(Option<Box<Payout>>),
    /// The command contradicts what happened before; its documentation says how.
    Conflict,
    /// No such payout.
    Unknown,
}
