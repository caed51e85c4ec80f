//! `[limits]`: every bound that an operator may want to move.

use serde::Deserialize;
use std::time::Duration;
use tollwire_ops::duration::HumanDuration;

/// Bounds and time-outs, with their defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections at once.
    pub(crate) connections: usize,
    /// Connections at once from one address.
    pub(crate) connections_per_address: usize,
    /// Live streams at once.
    pub(crate) streams: usize,
    /// Time for a request's head.
    pub(crate) header_read: HumanDuration,
    /// How long a client may take no byte of an answer.
    pub(crate) answer_stall: HumanDuration,
    /// Bytes of a request's head.
    pub(crate) header_bytes: usize,
    /// How long a paid request waits for its settlement before it answers 503.
    pub(crate) settlement_wait: HumanDuration,
    /// How long a settlement stays with a node that shares its store and died at it.
    pub(crate) settlement_lease: HumanDuration,
    /// Payments of one payer and hour that may be sent and come to nothing; 0 for no bound.
    pub(crate) failed_payments: u32,
    /// Time to connect to an upstream and finish its handshake.
    pub(crate) upstream_dial: HumanDuration,
    /// How long units held ahead are good without another word to the ledger.
    pub(crate) lease: HumanDuration,
    /// The most units one stream holds ahead.
    pub(crate) lease_units: u64,
    /// How often a busy stream tells the ledger what it used.
    pub(crate) renew_every: HumanDuration,
    /// Renewals per second, all streams together.
    pub(crate) renewals: u32,
    /// Renewals that wait for the ledger at once.
    pub(crate) renewals_at_once: u32,
    /// How much longer than it is used a hold stands in the store.
    pub(crate) lease_margin: HumanDuration,
    /// How long an open, or a stream that is short, waits for units that others hold but may not use.
    pub(crate) held_wait: HumanDuration,
    /// Opens of one session per minute that may fail before it is told to wait.
    pub(crate) failed_opens: u32,
    /// How long a live stream goes on when the store cannot be asked for its next unit.
    pub(crate) renewal_grace: HumanDuration,
    /// How often live sessions are checked for revocation and replaced streams.
    pub(crate) watch: HumanDuration,
    /// Bytes of one WebSocket frame.
    pub(crate) frame_bytes: u64,
    /// Bytes of one WebSocket message.
    pub(crate) message_bytes: u64,
    /// Control frames per second and direction.
    pub(crate) control_frames: u32,
    /// How long a peer may refuse to take bytes.
    pub(crate) stall: HumanDuration,
    /// How long a stream may be silent in both directions; off when left out.
    pub(crate) idle: Option<HumanDuration>,
    /// How long a close waits for a message boundary before it takes a frame boundary.
    pub(crate) close_grace: HumanDuration,
    /// How long a closed stream waits for the peer's own Close.
    pub(crate) close_wait: HumanDuration,
    /// How long live streams go on after SIGTERM.
    pub(crate) drain: HumanDuration,
}

const fn secs(secs: u64) -> HumanDuration {
    HumanDuration(Duration::from_secs(secs))
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 200,
            streams: 20_000,
            header_read: secs(5),
            answer_stall: secs(30),
            header_bytes: 48 * 1024,
            settlement_wait: secs(30),
            settlement_lease: secs(10),
            failed_payments: 5,
            upstream_dial: secs(10),
            lease: secs(10),
            lease_units: 1_000_000,
            renew_every: secs(1),
            renewals: 2_000,
            renewals_at_once: 128,
            lease_margin: secs(5),
            held_wait: secs(2),
            failed_opens: 10,
            renewal_grace: secs(30),
            watch: secs(1),
            frame_bytes: 16 * 1024 * 1024,
            message_bytes: 16 * 1024 * 1024,
            control_frames: 100,
            stall: secs(10),
            idle: None,
            close_grace: secs(1),
            close_wait: secs(5),
            drain: secs(30),
        }
    }
}
