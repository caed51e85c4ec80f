//! A dev chain, a ledger in memory, and time that runs on tokio's (paused) clock.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod dice;
pub mod plug;
pub mod sales;
pub mod synchronous;

use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tollwire_exact::evm::{Authorization, Domain, Payload, PrivateKey};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Fate, Intent, Payment};
use tollwire_ledger::{Clock, Ledger, Timestamp};
use tollwire_settlement::dev::{DevChain, NETWORK};
use tollwire_settlement::{Chain, Refusal, SettleError, Settled, Settler, SettlerConfig};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{PaymentId, Unit, Usdc};

/// When every test begins, seconds since the epoch.
pub const BEGIN: u64 = 1_800_000_000;

/// What every test pays, in atomic units.
pub const PRICE: u64 = 10_000;

/// How long a payment is valid, in seconds, as official clients sign it.
pub const VALIDITY: u64 = 60;

/// The longest a settle call of these tests waits.
pub const WAIT: Duration = Duration::from_secs(30);

/// Wall-clock time that follows tokio's. Threads without a runtime know no virtual time: they see what the runtime last
/// looked up.
pub struct TokioClock {
    begin: Instant,
    seen: AtomicU64,
}

impl TokioClock {
    /// Begins now.
    pub fn new() -> Self {
        Self { begin: Instant::now(), seen: AtomicU64::new(BEGIN * 1_000) }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        if tokio::runtime::Handle::try_current().is_err() {
            return Timestamp::from_millis(self.seen.load(Ordering::SeqCst));
        }
        let now = Timestamp::from_millis(BEGIN * 1_000).after(self.begin.elapsed());
        self.seen.store(now.millis(), Ordering::SeqCst);
        now
    }
}

/// What outlives a crash.
pub struct Scene {
    pub clock: Arc<dyn Clock>,
    pub ledger: Arc<dyn Ledger>,
    pub chain: Arc<DevChain>,
}

/// A payment as a client holds it.
#[derive(Clone)]
pub struct Signed {
    pub requirements: PaymentRequirements,
    pub payload: Value,
    pub id: PaymentId,
    pub payer: String,
    pub nonce: String,
    pub valid_before: u64,
}

impl Scene {
    pub fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let ledger = Arc::new(MemoryLedger::new(clock.clone()));
        let chain = Arc::new(DevChain::new(clock.clone()));
        Self { clock, ledger, chain }
    }

    /// A process.
    pub fn settler(&self, name: &str) -> Arc<Settler> {
        self.settler_over(self.ledger.clone(), self.chain.clone(), SettlerConfig::named(name))
    }

    /// A process that sees ledger and chain through something.
    pub fn settler_over(
        &self,
        ledger: Arc<dyn Ledger>,
        chain: Arc<dyn Chain>,
        config: SettlerConfig,
    ) -> Arc<Settler> {
        Arc::new(Settler::new(ledger, vec![chain], self.clock.clone(), config))
    }

    pub async fn payment(&self, id: &PaymentId) -> Option<Payment> {
        self.ledger.payment(id).await.unwrap()
    }

    pub async fn fate(&self, id: &PaymentId) -> Option<Fate> {
        self.payment(id).await.map(|payment| payment.fate)
    }

    pub async fn in_doubt(&self) -> usize {
        self.ledger.in_doubt(None, 1_000).await.unwrap().len()
    }

    /// Units of all sessions.
    pub async fn units_bought(&self) -> u64 {
        self.ledger.sessions(None, 10_000).await.unwrap().iter().map(|(_, session)| session.bought).sum()
    }

    /// How often the money of this payment moved.
    pub fn transfers_of(&self, signed: &Signed) -> usize {
        self.chain.transfers().iter().filter(|transfer| transfer.nonce == signed.nonce).count()
    }

    /// Reconciles, with time passing, until nothing is in doubt.
    pub async fn reconcile(&self, settler: &Settler) {
        for _ in 0..200 {
            settler.reconcile_once().await.unwrap();
            if self.in_doubt().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        panic!("payments stay in doubt");
    }

    /// Signs a payment of [`PRICE`] to the deposit wallet.
    pub fn sign(&self, nonce: u8) -> Signed {
        self.sign_with(nonce, |_| {})
    }

    /// The same, changed before it is signed.
    pub fn sign_with(&self, nonce: u8, change: impl FnOnce(&mut Authorization)) -> Signed {
        let key = PrivateKey::from_bytes(&[0x11; 32]).unwrap();
        let info = self.chain.info();
        let mut authorization = Authorization {
            from: key.address(),
            to: info.deposit_wallet.parse().unwrap(),
            value: usdc(PRICE),
            valid_after: 0,
            valid_before: self.clock.now().secs() + VALIDITY,
            nonce: [nonce; 32],
        };
        change(&mut authorization);
        let domain = Domain::usdc(NETWORK).unwrap();
        let signature = authorization.sign(&key, &domain).unwrap();
        let payload = Payload::new(authorization, &signature);
        Signed {
            requirements: PaymentRequirements {
                scheme: "exact".into(),
                network: NETWORK.to_string(),
                amount: payload.authorization.value,
                asset: info.asset.clone(),
                pay_to: payload.authorization.to.to_string(),
                max_timeout_seconds: VALIDITY,
                extra: Some(info.offer_extra.clone()),
            },
            id: payload.id(&domain),
            payer: payload.authorization.from.to_string(),
            nonce: format!("0x{}", hex::encode(payload.authorization.nonce)),
            valid_before: payload.authorization.valid_before,
            payload: payload.to_json(),
        }
    }
}

impl Signed {
    /// What the gate would record for it: one unit, and a candidate session that differs from call to call.
    pub fn intent(&self, candidate: u64) -> Intent {
        Intent {
            session: format!("00000000-0000-4000-8000-{candidate:012x}").parse().unwrap(),
            feed: "ticks".parse().unwrap(),
            unit: Unit::Stream,
            units: 1,
            amount: self.requirements.amount,
            tariff: 1,
            network: NETWORK,
            chain: "dev".into(),
            asset: self.requirements.asset.clone(),
            payer: self.payer.clone(),
            pay_to: self.requirements.pay_to.clone(),
            quote: None,
            claim: None,
            valid_before: self.valid_before,
            payload: self.payload.to_string(),
            balance_ttl_ms: 1_000_000_000,
            plain: false,
            top_up: false,
            jkt: None,
            provider: None,
        }
    }

    pub async fn settle(&self, settler: &Settler) -> Result<Settled, SettleError> {
        self.settle_within(settler, 1, WAIT).await
    }

    /// As the payer, whose proof was checked.
    pub async fn claim(&self, settler: &Settler) -> Result<Settled, SettleError> {
        self.claim_within(settler, 1, WAIT).await
    }

    pub async fn claim_within(
        &self,
        settler: &Settler,
        candidate: u64,
        wait: Duration,
    ) -> Result<Settled, SettleError> {
        settler.claim(&self.requirements, self.intent(candidate), self.id.clone(), wait).await
    }

    pub async fn settle_within(
        &self,
        settler: &Settler,
        candidate: u64,
        wait: Duration,
    ) -> Result<Settled, SettleError> {
        settler.settle(&self.requirements, self.intent(candidate), self.id.clone(), wait).await
    }
}

pub fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

/// The payment and whether it was credited by this very call.
#[track_caller]
pub fn credited(settled: Result<Settled, SettleError>) -> (Payment, bool) {
    match settled.unwrap() {
        Settled::Credited { payment, session, fresh } => {
            assert!(matches!(payment.fate, Fate::Credited(_)));
            assert!(session.is_some(), "credited without a session");
            (*payment, fresh)
        }
        other => panic!("not credited: {other:?}"),
    }
}

#[track_caller]
pub fn refused(settled: Result<Settled, SettleError>) -> Refusal {
    match settled.unwrap() {
        Settled::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub fn pending(settled: Result<Settled, SettleError>) -> Option<String> {
    match settled.unwrap() {
        Settled::Pending { tx } => tx,
        other => panic!("not pending: {other:?}"),
    }
}
