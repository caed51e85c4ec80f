//! How a payer behaves. Every wait and every retry has its bound here.

use crate::{Error, Payment};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollwire_session::dpop::DpopKey;
use tollwire_x402::Network;

/// How a stream pays when its balance runs low or out. Each way falls back to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayOn {
    /// In the stream itself, when the facilitator's signed notice of a low balance comes (`?control=v1`).
    #[default]
    InBand,
    /// Over HTTP, when the balance is spent: more units for the same session.
    TopUp,
    /// Another session, when the balance is spent.
    NewSession,
    /// Not at all: the stream ends when the balance is spent.
    Never,
}

/// How a payer and its streams behave.
#[derive(Clone)]
pub struct Config {
    /// The networks that may be paid on. Empty: none, and nothing can be bought.
    pub networks: Vec<Network>,
    /// How often a request is sent before giving up; at least 1.
    pub tries: u32,
    /// How long one answer may take. Facilitators hold a payment for up to 30 s.
    pub answer_wait: Duration,
    /// How long connecting and upgrading may take.
    pub connect_wait: Duration,
    /// The longest pause that a server's `Retry-After` can impose.
    pub pause_max: Duration,
    /// Whether plain `http:` and `ws:` may be used with hosts other than this machine. Tokens and payments then
    /// travel in the clear.
    pub allow_plain: bool,
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// The longest message a stream may receive, in bytes.
    pub message_bytes_max: usize,
    /// A silent stream is pinged this often.
    pub ping_every: Duration,
    /// A stream that was silent this long, pings unanswered, is lost.
    pub silence_max: Duration,
    /// How often in a row may be paid without one message received.
    pub unserved_max: u32,
    /// Whether streams are opened with `?control=v1`: notices of a low balance, in-band payments, the last receipt.
    /// Without it [`PayOn::InBand`] is [`PayOn::TopUp`].
    pub control: bool,
    /// How a stream pays on.
    pub pay_on: PayOn,
    /// How often in a row a lost connection is replaced before one message is received; 0: the loss is an error.
    /// A connection replaced within seconds costs no unit.
    pub reconnects_max: u32,
    /// The key that sessions are bound to (RFC 9449), where the facilitator binds them: a stolen token then opens
    /// nothing. One key for as long as the sessions live.
    pub dpop: Option<Arc<DpopKey>>,
    /// JSON-RPC address of a Solana node, asked for a blockhash where an offer hints at none. It may hold an access key.
    pub solana_rpc: Option<String>,
    /// Told of every payment after it is signed and before it leaves.
    pub on_signed: Option<Signed>,
}

/// What is told of each payment that is signed: where an application writes it down, so that even a payment whose
/// answer dies with the process is collected, not paid again ([`Payer::adopt`](crate::Payer::adopt)).
#[derive(Clone)]
pub struct Signed(Arc<Tell>);

type Tell = dyn Fn(&Payment) -> std::io::Result<()> + Send + Sync;

impl Signed {
    /// Calls this; it should be quick, and the payment waits for it. If it fails, the payment does not leave.
    pub fn new(tell: impl Fn(&Payment) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, payment: &Payment) -> Result<(), Error> {
        (self.0)(payment).map_err(|error| Error::NotKept(error.to_string()))
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed(..)")
    }
}

impl Config {
    /// The defaults, paying on these networks.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            tries: 6,
            answer_wait: Duration::from_secs(40),
            connect_wait: Duration::from_secs(15),
            pause_max: Duration::from_secs(30),
            allow_plain: false,
            roots_pem: None,
            message_bytes_max: 16 * 1024 * 1024,
            ping_every: Duration::from_secs(30),
            silence_max: Duration::from_secs(90),
            unserved_max: 3,
            control: true,
            pay_on: PayOn::default(),
            reconnects_max: 0,
            dpop: None,
            solana_rpc: None,
            on_signed: None,
        }
    }

    /// Binds the sessions that are bought to this key.
    #[must_use]
    pub fn dpop(mut self, key: DpopKey) -> Self {
        self.dpop = Some(Arc::new(key));
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("networks", &self.networks)
            .field("pay_on", &self.pay_on)
            .field("reconnects_max", &self.reconnects_max)
            .field("dpop", &self.dpop.as_ref().map(|key| key.jkt()))
            .finish_non_exhaustive()
    }
}
