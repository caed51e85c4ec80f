//! A chain in process, for development and tests: real EIP-712 signatures, play money, scriptable faults.
//!
//! It speaks as Base Sepolia (`eip155:84532`, with USDC's address there), because official clients pay by default
//! only assets they know. Every account but the deposit wallet owns play money from the start. Each accepted
//! transaction is mined at once, in a block of its own. State is in memory: a restart forgets it, and a stored
//! attempt sent again is then mined like new.
//!
//! Validity is judged by the injected clock; delays run on tokio's timers, so that paused time drives them.

mod check;
mod faults;
mod look;
mod outgoing;
mod reorg;
mod world;

pub use faults::{BroadcastFault, Faults};
pub use world::Transfer;

use crate::chain::{BoxFuture, Delivery, Turn};
use crate::{Chain, ChainError, ChainInfo, Firmness, Identified, Observation, Refusal};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tollwire_exact::evm::Address;
use tollwire_ledger::Clock;
use tollwire_ledger::model::{Attempt, Landing, Outgoing, Payment};
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Network, Usdc, asset};
use world::{Carried, World};

/// The network the dev chain speaks as.
pub const NETWORK: Network = Network::BASE_SEPOLIA;

/// Its `chain` claim.
pub const CLAIM: &str = "dev";

/// What a dev chain starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevConfig {
    /// `payTo` of our own offers; starts with nothing.
    pub deposit_wallet: String,
    /// The address that carries transactions.
    pub signer: String,
    /// What every other account starts with. Default 1,000 USDC.
    pub play_money: Usdc,
    /// What a transaction costs us. Default 7,000 atomic units, the paper's figure for Base.
    pub gas: Usdc,
}

impl Default for DevConfig {
    fn default() -> Self {
        Self {
            deposit_wallet: Address::new([0xd0; 20]).to_string(),
            signer: Address::new([0x51; 20]).to_string(),
            play_money: Usdc::from_atomic(1_000_000_000).unwrap_or_default(),
            gas: Usdc::from_atomic(7_000).unwrap_or_default(),
        }
    }
}

/// The dev chain.
pub struct DevChain {
    info: ChainInfo,
    config: DevConfig,
    clock: Arc<dyn Clock>,
    world: Mutex<World>,
    faults: Faults,
    signing: Arc<tokio::sync::Mutex<()>>,
}

/// The dev chain's turn: its lock.
struct DevTurn {
    _lock: OwnedMutexGuard<()>,
}

impl Turn for DevTurn {}

impl DevChain {
    /// An empty chain with the default configuration.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_config(clock, DevConfig::default())
    }

    /// An empty chain.
    pub fn with_config(clock: Arc<dyn Clock>, config: DevConfig) -> Self {
        let known = asset::usdc(NETWORK);
        let mut offer_extra = Extra::new();
        if let Some((name, version)) = known.and_then(|asset| asset.eip712) {
            offer_extra.insert("name".into(), name.into());
            offer_extra.insert("version".into(), version.into());
        }
        let info = ChainInfo {
            network: NETWORK,
            claim: CLAIM.into(),
            asset: known.map(|asset| asset.address.to_owned()).unwrap_or_default(),
            offer_extra,
            deposit_wallet: config.deposit_wallet.clone(),
        };
        let world = World::new(config.play_money, [config.deposit_wallet.clone()]);
        Self {
            info,
            config,
            clock,
            world: Mutex::new(world),
            faults: Faults::default(),
            signing: Arc::default(),
        }
    }

    /// Its faults, to be scripted.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What an account owns; addresses in any case.
    pub fn balance_of(&self, account: &str) -> Usdc {
        self.world().balance(account)
    }

    /// Gives an account this balance.
    pub fn set_balance(&self, account: &str, balance: Usdc) {
        self.world().set_balance(account, balance);
    }

    /// Every movement of money so far, oldest first.
    pub fn transfers(&self) -> Vec<Transfer> {
        self.world().transfers().to_vec()
    }

    /// The newest block's number.
    pub fn height(&self) -> u64 {
        self.world().height()
    }

    /// Somebody else submits an authorization. Answers the transaction's hash.
    pub fn submit_as_stranger(&self, payload: &Value) -> String {
        let stranger = Carried { sender: "stranger".into(), serial: 0, payload: payload.clone() };
        let tx = world::hash(&encode(&stranger));
        self.mine(&tx, &stranger, Instant::now());
        tx
    }

    /// The payer of a payload cancels its authorization.
    pub fn cancel(&self, payload: &Value) {
        if let Some(authorized) = check::authorized(payload) {
            let now = self.clock.now().secs();
            self.world().cancel(&authorized.from, &authorized.nonce, now);
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mine(&self, tx: &str, carried: &Carried, seen: Instant) {
        let authorized = check::authorized(&carried.payload);
        let now = self.clock.now().secs();
        self.world().mine(tx, authorized.as_ref(), now, seen);
    }

    /// The way to the node: slow, or cut.
    async fn reach(&self) -> Result<(), ChainError> {
        let delay = self.faults.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.faults.unanswered() {
            return Err(ChainError::Unavailable("scripted fault: the node does not answer".into()));
        }
        Ok(())
    }

    fn send(&self, attempt: &Attempt) -> Result<(), ChainError> {
        if let Some(paying) = Self::read_paying(attempt) {
            return self.pay(attempt, &paying);
        }
        let carried: Carried = serde_json::from_slice(&attempt.raw)
            .map_err(|error| ChainError::Unavailable(format!("not a dev transaction: {error}")))?;
        let lost = |what: &str| Err(ChainError::Unavailable(format!("scripted fault: {what}")));
        let mut seen = Instant::now();
        match self.faults.broadcast() {
            None => {}
            Some(BroadcastFault::ReplyLost) => {
                self.mine(&attempt.tx, &carried, seen);
                return lost("the reply was lost");
            }
            Some(BroadcastFault::Dropped) => return Ok(()),
            Some(BroadcastFault::Void) => self.world().make_void(&attempt.tx),
            Some(BroadcastFault::Superseded) => {
                self.world().make_void(&attempt.tx);
                return Err(ChainError::Superseded("scripted fault: the nonce is taken".into()));
            }
            Some(BroadcastFault::Unsent) => return lost("not sent"),
            Some(BroadcastFault::Stolen) => {
                self.submit_as_stranger(&carried.payload);
            }
            Some(BroadcastFault::Cancelled) => self.cancel(&carried.payload),
            Some(BroadcastFault::ReceiptAfter(delay)) => seen += delay,
        }
        self.mine(&attempt.tx, &carried, seen);
        Ok(())
    }
}

impl std::fmt::Debug for DevChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevChain").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Chain for DevChain {
    fn info(&self) -> &ChainInfo {
        &self.info
    }

    fn signers(&self) -> Vec<String> {
        vec![self.config.signer.clone()]
    }

    fn identify(&self, requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
        check::form(requirements, payload)
    }

    fn verify<'a>(
        &'a self,
        requirements: &'a PaymentRequirements,
        payload: &'a Value,
        now: u64,
    ) -> BoxFuture<'a, Result<Result<Identified, Refusal>, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(check::everything(&self.world(), requirements, payload, now))
        })
    }

    fn turn(&self) -> BoxFuture<'_, Result<Box<dyn Turn>, ChainError>> {
        Box::pin(async move {
            let turn: Box<dyn Turn> = Box::new(DevTurn { _lock: self.signing.clone().lock_owned().await });
            Ok(turn)
        })
    }

    fn prepare<'a>(
        &'a self,
        payment: &'a Payment,
        _turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            let payload = serde_json::from_str(&payment.intent.payload)
                .map_err(|error| ChainError::Unavailable(format!("stored payload unreadable: {error}")))?;
            let carried =
                Carried { sender: self.config.signer.clone(), serial: payment.attempts.len(), payload };
            let raw = encode(&carried);
            Ok(Attempt {
                tx: world::hash(&raw),
                raw,
                signer: self.config.signer.clone(),
                nonce: None,
                at: self.clock.now(),
            })
        })
    }

    fn broadcast<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            self.send(attempt)
        })
    }

    fn observe<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Observation, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            self.look(payment)
        })
    }

    fn outgoing_gas<'a>(&'a self, _to: &'a str) -> BoxFuture<'a, Result<Usdc, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.config.gas)
        })
    }

    fn prepare_outgoing<'a>(
        &'a self,
        outgoing: &'a Outgoing,
        turn: &'a dyn Turn,
    ) -> BoxFuture<'a, Result<Attempt, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            self.prepare_transfer(outgoing, turn)
        })
    }

    fn observe_outgoing<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<Delivery, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            self.look_for_transfer(outgoing)
        })
    }

    fn custody(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.balance_of(&self.info.deposit_wallet))
        })
    }

    fn settle_gas(&self) -> BoxFuture<'_, Result<Usdc, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.config.gas)
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(Some(self.world().height()))
        })
    }

    fn final_block(&self) -> BoxFuture<'_, Result<Option<u64>, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.faults.final_block())
        })
    }

    fn firmness<'a>(
        &'a self,
        payment: &'a Payment,
        landing: &'a Landing,
    ) -> BoxFuture<'a, Result<Firmness, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            self.firmness_of(payment, landing)
        })
    }

    fn block_time<'a>(&'a self, landing: &'a Landing) -> BoxFuture<'a, Result<Option<u64>, ChainError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.world().block_time(landing.block))
        })
    }
}

fn encode(carried: &Carried) -> Vec<u8> {
    serde_json::to_vec(carried).unwrap_or_default()
}
