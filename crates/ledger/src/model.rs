//! What the ledger remembers: payments, sessions, streams, refunds, providers and their payouts.
//!
//! For every session, always: `captured + held + remaining + refunded + expired == bought`.

mod debug;
mod handed;
mod outgoing;
mod payout;
mod refund;

pub use handed::{HandOver, Handed};
pub use outgoing::Outgoing;
pub use payout::{Payout, PayoutFate, PayoutId, PayoutOrder, Provider, ProviderAccount};
pub use refund::{Refund, RefundFate, RefundId, RefundOrder};

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tollwire_x402::{FeedId, Network, SessionId, StreamId, Unit, Usdc};

/// SHA-256 of a secret that proves possession of a payment (a quote, a `Tollwire-Claim`).
pub type ProofHash = [u8; 32];

/// What a payment buys, fixed for ever when it is first recorded. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The session this payment opens. The first record of a payment decides; later ones are told.
    pub session: SessionId,
    /// The feed it is for.
    pub feed: FeedId,
    /// The feed's unit.
    pub unit: Unit,
    /// Units bought; at least 1.
    pub units: u64,
    /// What is paid.
    pub amount: Usdc,
    /// Version of the tariff the offer came from.
    pub tariff: u64,
    /// Where it settles.
    pub network: Network,
    /// The `chain` claim of tokens: base, base-sepolia, solana, solana-devnet, dev.
    pub chain: String,
    /// Asset contract or mint.
    pub asset: String,
    /// Who pays.
    pub payer: String,
    /// Our deposit wallet.
    pub pay_to: String,
    /// The quote the offer carried, hashed; the payer's proof of possession.
    pub quote: Option<ProofHash>,
    /// The client's `Tollwire-Claim`, hashed; another proof of possession.
    pub claim: Option<ProofHash>,
    /// When the authorization stops being valid, seconds since the epoch.
    pub valid_before: u64,
    /// The scheme's payload as JSON text: what the reconciler needs to finish the payment after a crash.
    pub payload: String,
    /// How long the session keeps an unspent balance, in milliseconds from its credit.
    pub balance_ttl_ms: u64,
    /// True for a payment that a plain x402 resource server had us settle (`/settle`): it opens no session.
    pub plain: bool,
    /// True for a payment that adds units to a session there is: `session` was chosen by its payer, not by us.
    pub top_up: bool,
    /// The RFC 7638 thumbprint of the DPoP key that the session it opens is bound to, if it is.
    pub jkt: Option<String>,
    /// The wallet, on `network`, of the provider who earns what the session uses. It goes with the session, whatever
    /// becomes of its feed. `None` if nobody is to be paid out (a plain payment; a feed of the dev chain without one).
    pub provider: Option<String>,
}

impl Intent {
    /// Whether another intent for the same payment is the same purchase.
    ///
    /// Candidate session, tariff version, proofs, window, payload text and provider do not count: a client that asks again brings
    /// a new candidate session and perhaps another encoding. The session that a top-up names does.
    pub fn same_purchase(&self, other: &Self) -> bool {
        self.terms() == other.terms()
    }

    /// What is bought from whom for how much, as one line of text; stores compare it where they cannot compare
    /// fields. EVM addresses are the same in any case.
    pub fn terms(&self) -> String {
        let account = |text: &str| match self.network {
            Network::Eip155(_) => text.to_ascii_lowercase(),
            Network::Solana(_) => text.to_owned(),
        };
        let target = match (self.plain, self.top_up) {
            (true, _) => "plain",
            (false, false) => "session",
            (false, true) => self.session.as_str(),
        };
        [
            target,
            self.feed.as_str(),
            self.unit.as_str(),
            &self.units.to_string(),
            &self.amount.atomic().to_string(),
            &self.network.to_string(),
            &account(&self.asset),
            &account(&self.payer),
            &account(&self.pay_to),
        ]
        .join(" ")
    }

    /// The payer in the one spelling under which stores list a wallet's sessions.
    pub fn payer_key(&self) -> String {
        payer_key(&self.payer)
    }
}

/// A wallet's address in the one spelling under which stores list its sessions: EVM addresses are the same in any
/// case, Solana's are not.
pub fn payer_key(payer: &str) -> String {
    if payer.starts_with("0x") { payer.to_ascii_lowercase() } else { payer.to_owned() }
}

/// A transaction's hash in the one spelling under which stores list its payments: EVM hashes are the same in any case,
/// Solana's signatures are not.
pub fn tx_key(tx: &str) -> String {
    payer_key(tx)
}

/// A transaction made ready for one payment. Its `Debug` leaves out the transaction itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Transaction hash, known before broadcast.
    pub tx: String,
    /// The signed transaction, to broadcast again; or what its chain keeps in its place where another payment has it on
    /// record.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
    /// The address that signed it.
    pub signer: String,
    /// Its account nonce (EVM).
    pub nonce: Option<u64>,
    /// When it was made.
    pub at: Timestamp,
}

/// How a settled payment landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The transaction that moved the money.
    pub tx: String,
    /// Its block or slot.
    pub block: u64,
    /// What it cost us, in USDC at the chain's configured rate.
    pub gas: Usdc,
}

/// Where a payment stands. Three fates, never a boolean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Not known yet; the reconciler looks after it.
    Pending,
    /// The money arrived and was credited.
    Credited(Landing),
    /// Proven never to land; the text is one of `tollwire_x402::reason`.
    Abandoned(String),
}

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What it buys.
    pub intent: Intent,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// Transactions made for it, oldest first; at most [`Payment::ATTEMPTS_MAX`].
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub fate: Fate,
    /// Whether the chain took back what it was credited for, and has not given it again.
    pub gone: bool,
}

impl Payment {
    /// The most transactions made for one payment.
    pub const ATTEMPTS_MAX: usize = 16;

    /// Whether this transaction was made for it, or moved its money.
    pub fn names(&self, tx: &str) -> bool {
        let tx = tx_key(tx);
        let landed = matches!(&self.fate, Fate::Credited(landing) if tx_key(&landing.tx) == tx);
        landed || self.attempts.iter().any(|attempt| tx_key(&attempt.tx) == tx)
    }
}

/// A balance of units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its feed.
    pub feed: FeedId,
    /// Its unit.
    pub unit: Unit,
    /// Who paid.
    pub payer: String,
    /// Where it was paid.
    pub network: Network,
    /// The `chain` claim of its tokens.
    pub chain: String,
    /// Money paid in, all payments together.
    pub deposited: Usdc,
    /// What settling those payments cost.
    pub gas: Usdc,
    /// The newest block (or slot) in which one of them landed: until it is final, not all of the money is.
    pub last_block: u64,
    /// The wallet of the provider who earns what is used, as the first payment named it.
    pub provider: Option<String>,
    /// What of it was handed over to payouts.
    pub handed: Handed,
    /// Units bought.
    pub bought: u64,
    /// Units used, for good.
    pub captured: u64,
    /// Units paid back, by [`Session::refunds`] refunds.
    pub refunded: u64,
    /// Units that fell due at the end of the balance's life.
    pub expired: u64,
    /// Refunds ordered so far.
    pub refunds: u32,
    /// What the refunded units were paid with: sent back, or withheld for the gas of sending.
    pub returned: Usdc,
    /// What of it was withheld.
    pub withheld: Usdc,
    /// Units set aside per stream, each until its lease lapses.
    pub holds: BTreeMap<StreamId, Hold>,
    /// Streams that are open or being opened, each with the time at which it must have ended. Filled where a session is read
    /// ([`Ledger::session`](crate::Ledger::session), [`Ledger::sessions`](crate::Ledger::sessions)); empty in the
    /// answers to commands, so that opening a stream costs the same however many are open.
    pub live: BTreeMap<StreamId, Timestamp>,
    /// When the first payment was credited.
    pub opened: Timestamp,
    /// When an unspent balance falls due.
    pub balance_until: Timestamp,
    /// Set by revocation; nothing is served any more.
    pub revoked: bool,
    /// Set when its payer or an operator ended it; nothing is served any more.
    pub closed: bool,
    /// How many of its payments the chain took back ([`Payment::gone`]); while any is, nothing is served, and nothing of
    /// it is paid to anybody.
    pub frozen: u32,
    /// When a stream last was short of units that other streams held: they give back what they do not need.
    pub recalled: Option<Timestamp>,
    /// The RFC 7638 thumbprint of the DPoP key its tokens are bound to, if they are.
    pub jkt: Option<String>,
    /// Grows with everything a live stream must learn of: revocation, a stream replaced.
    pub revision: u64,
}

/// Units set aside for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How many.
    pub units: u64,
    /// When they return by themselves.
    pub until: Timestamp,
}

/// One stream of a session, kept as long as the session so that its id stays idempotent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Units served to it so far; captured, but for those that the journal names as forgone.
    pub posted: u64,
    /// Which opening of this id is the valid one; 1 for the first.
    pub fence: u64,
    /// When it was first held.
    pub first_held: Timestamp,
    /// When its first unit was captured.
    pub posted_at: Option<Timestamp>,
    /// Captured units that the journal has not been told of yet.
    pub untold: u64,
    /// When the journal was last told of captured units.
    pub told_at: Timestamp,
    /// Whether it was opened again after that: its earlier connection was served, so nothing is reversed.
    pub reopened: bool,
    /// Whether its units were given back because the upstream failed at once.
    pub reversed: bool,
    /// When it must have ended, while it is open: set by each capture, cleared by its end.
    pub live_until: Option<Timestamp>,
}

impl Session {
    /// Whether a session of metered units has nothing more to give: all is used, and nobody holds any. A unit of
    /// `stream` is served whole after its capture, so such a session is not spent before its streams have ended.
    pub fn spent(&self) -> bool {
        let gone = self.captured.saturating_add(self.refunded).saturating_add(self.expired);
        self.unit != Unit::Stream && gone >= self.bought
    }

    /// Whether nothing may be served: it was revoked for good, or is frozen for as long as the chain lacks a deposit.
    pub fn barred(&self) -> bool {
        self.revoked || self.is_frozen()
    }

    /// Whether the chain lacks a deposit that was credited.
    pub fn is_frozen(&self) -> bool {
        self.frozen > 0
    }

    /// Units held ahead for a stream.
    pub fn held_for(&self, stream: &StreamId) -> u64 {
        self.holds.get(stream).map_or(0, |hold| hold.units)
    }

    /// Units set aside.
    pub fn held(&self) -> u64 {
        self.holds.values().fold(0, |sum, hold| sum.saturating_add(hold.units))
    }

    /// Units neither used, held, refunded nor expired.
    pub fn remaining(&self) -> u64 {
        [self.captured, self.held(), self.refunded, self.expired]
            .into_iter()
            .fold(self.bought, u64::saturating_sub)
    }
}
