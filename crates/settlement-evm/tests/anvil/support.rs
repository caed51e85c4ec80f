//! A node with USDC, our chain on it, and a payer with money.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tollwire_exact::evm::{Address, Authorization, Domain, Payload, PrivateKey};
use tollwire_ledger::model::{Attempt, Fate, Intent, Landing, Payment};
use tollwire_ledger::{Clock, SystemClock, Timestamp};
use tollwire_settlement::{Chain, ChainError, Observation, Refusal};
use tollwire_settlement_evm::{EvmChain, EvmConfig};
use tollwire_testkit::evm::{self, Anvil};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, Unit, Usdc};

pub(crate) const PRICE: u64 = 10_000;
pub(crate) const FUNDS: u64 = 1_000_000;
/// Somebody with ETH who is neither payer nor we: anvil's second account.
pub(crate) const STRANGER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

pub(crate) const SETTLEMENT_KEY: [u8; 32] = [0x42; 32];

pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) chain: Arc<EvmChain>,
    pub(crate) payer: PrivateKey,
    pub(crate) network: Network,
    nonces: AtomicU32,
}

pub(crate) fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[byte; 32]).unwrap()
}

pub(crate) fn now() -> u64 {
    SystemClock.now().secs()
}

impl World {
    pub(crate) async fn base() -> Self {
        Self::start(8453).await
    }

    pub(crate) async fn start(chain_id: u64) -> Self {
        Self::with(chain_id, |_| {}).await
    }

    /// With a configuration of its own.
    pub(crate) async fn with(chain_id: u64, change: impl FnOnce(&mut EvmConfig)) -> Self {
        let anvil = Anvil::start(chain_id).await.unwrap();
        let payer = key(0x11);
        let settlement = PrivateKey::from_bytes(&SETTLEMENT_KEY).unwrap().address().to_string();
        anvil.set_eth(&settlement, 10_u128.pow(18)).await.unwrap();
        anvil.mint(&payer.address().to_string(), FUNDS).await.unwrap();
        let network = Network::Eip155(chain_id);
        let mut config = config(&anvil);
        change(&mut config);
        let chain = Arc::new(EvmChain::connect(config).await.unwrap());
        Self { anvil, chain, payer, network, nonces: AtomicU32::new(1) }
    }

    /// The same chain once more, as a process that starts anew has it.
    pub(crate) async fn restarted(&self) -> EvmChain {
        EvmChain::connect(config(&self.anvil)).await.unwrap()
    }

    pub(crate) fn domain(&self) -> Domain {
        Domain::usdc(self.network).unwrap()
    }

    pub(crate) fn deposit_wallet(&self) -> &str {
        &self.chain.info().deposit_wallet
    }

    pub(crate) fn requirements(&self) -> PaymentRequirements {
        let info = self.chain.info();
        PaymentRequirements {
            scheme: "exact".into(),
            network: info.network.to_string(),
            amount: Usdc::from_atomic(PRICE).unwrap(),
            asset: info.asset.clone(),
            pay_to: info.deposit_wallet.clone(),
            max_timeout_seconds: 60,
            extra: Some(info.offer_extra.clone()),
        }
    }

    /// An authorization that fits the requirements, with a fresh nonce.
    pub(crate) fn authorization(&self) -> Authorization {
        self.authorization_of(&self.payer)
    }

    /// The same of another payer.
    pub(crate) fn authorization_of(&self, payer: &PrivateKey) -> Authorization {
        let number = self.nonces.fetch_add(1, Ordering::Relaxed);
        // The first are one byte again and again; there are more than those.
        let mut nonce = [number.to_be_bytes()[3]; 32];
        nonce[28..31].copy_from_slice(&number.to_be_bytes()[..3]);
        if number < 256 {
            nonce = [nonce[0]; 32];
        }
        Authorization {
            from: payer.address(),
            to: self.deposit_wallet().parse().unwrap(),
            value: Usdc::from_atomic(PRICE).unwrap(),
            valid_after: 0,
            valid_before: now() + 60,
            nonce,
        }
    }

    /// A payload of another payer, who has money for exactly `payments` of them more.
    pub(crate) async fn funded(&self, payer: &PrivateKey, payments: u64) {
        self.anvil.mint(&payer.address().to_string(), payments * PRICE).await.unwrap();
    }

    /// A good payload of a payer.
    pub(crate) fn signed_by(&self, payer: &PrivateKey) -> Payload {
        let authorization = self.authorization_of(payer);
        let signature = authorization.sign(payer, &self.domain()).unwrap();
        Payload::new(authorization, &signature)
    }

    /// A good payment of a payer, recorded and not yet settled.
    pub(crate) fn payment_by(&self, payer: &PrivateKey) -> Payment {
        self.recorded(&self.signed_by(payer))
    }

    pub(crate) fn signed(&self, authorization: Authorization) -> Payload {
        let signature = authorization.sign(&self.payer, &self.domain()).unwrap();
        Payload::new(authorization, &signature)
    }

    /// A good payment, recorded and not yet settled.
    pub(crate) fn payment(&self) -> Payment {
        self.recorded(&self.signed(self.authorization()))
    }

    pub(crate) fn recorded(&self, payload: &Payload) -> Payment {
        let requirements = self.requirements();
        let signed = &payload.authorization;
        let intent = Intent {
            session: session(&signed.nonce),
            feed: "ticks".parse().unwrap(),
            unit: Unit::Stream,
            units: 1,
            amount: signed.value,
            tariff: 1,
            network: self.network,
            chain: self.chain.info().claim.clone(),
            asset: requirements.asset,
            payer: signed.from.to_string(),
            pay_to: requirements.pay_to,
            quote: None,
            claim: None,
            valid_before: signed.valid_before,
            payload: payload.to_json().to_string(),
            balance_ttl_ms: 60_000,
            plain: false,
            top_up: false,
            jkt: None,
            provider: None,
        };
        let recorded: Timestamp = SystemClock.now();
        Payment { intent, recorded, attempts: Vec::new(), fate: Fate::Pending, gone: false }
    }

    pub(crate) async fn verify(&self, payload: &Payload) -> Result<(), Refusal> {
        self.verify_for(&self.requirements(), &payload.to_json()).await
    }

    pub(crate) async fn verify_for(
        &self,
        requirements: &PaymentRequirements,
        payload: &Value,
    ) -> Result<(), Refusal> {
        self.chain.verify(requirements, payload, now()).await.unwrap().map(drop)
    }

    /// Somebody else's view of a payload.
    pub(crate) fn stolen(payload: &Payload) -> evm::Authorization {
        let signed = &payload.authorization;
        evm::Authorization {
            from: signed.from.to_string(),
            to: signed.to.to_string(),
            value: signed.value.atomic(),
            valid_after: signed.valid_after,
            valid_before: signed.valid_before,
            nonce: signed.nonce,
            signature: payload.signature.clone(),
        }
    }

    pub(crate) async fn received(&self) -> u64 {
        self.anvil.balance_of(self.deposit_wallet()).await.unwrap()
    }

    /// Waits until a transaction is in a block, whether it succeeded or reverted.
    pub(crate) async fn mined(&self, tx: &str) {
        let waiting = async {
            while self.anvil.rpc("eth_getTransactionReceipt", json!([tx])).await.unwrap().is_null() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a block");
    }

    /// Transactions of the settlement account: mined, and including those that wait.
    pub(crate) async fn sent(&self) -> (u64, u64) {
        let signer = self.settlement().to_string();
        let pending = self.anvil.rpc("eth_getTransactionCount", json!([signer, "pending"])).await.unwrap();
        let pending = u64::from_str_radix(pending.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        (self.anvil.transaction_count(&signer).await.unwrap(), pending)
    }

    pub(crate) fn settlement(&self) -> Address {
        self.chain.signers()[0].parse().unwrap()
    }
}

fn session(nonce: &[u8; 32]) -> tollwire_x402::SessionId {
    let number = if nonce[28] == nonce[0] {
        [0, 0, 0, nonce[0]]
    } else {
        [nonce[28], nonce[29], nonce[30], nonce[31]]
    };
    format!("7d444840-9dc0-4acd-b245-5ffd{}", hex::encode(number)).parse().unwrap()
}

pub(crate) fn config(anvil: &Anvil) -> EvmConfig {
    let key = hex::encode(SETTLEMENT_KEY);
    let mut config = EvmConfig::new(Network::Eip155(anvil.chain_id()), anvil.url(), key);
    config.request_timeout = Duration::from_secs(5);
    config
}

/// Prepares an attempt and keeps it with the payment, as the settlement procedure does.
pub(crate) async fn prepare(chain: &EvmChain, payment: &mut Payment) -> Result<Attempt, ChainError> {
    let turn = chain.turn().await?;
    let attempt = chain.prepare(payment, turn.as_ref()).await?;
    payment.attempts.push(attempt.clone());
    Ok(attempt)
}

/// Prepares and broadcasts in one turn.
pub(crate) async fn attempt(chain: &EvmChain, payment: &mut Payment) -> Result<Attempt, ChainError> {
    let turn = chain.turn().await?;
    let attempt = chain.prepare(payment, turn.as_ref()).await?;
    payment.attempts.push(attempt.clone());
    chain.broadcast(&attempt).await?;
    Ok(attempt)
}

/// Prepares and broadcasts in the turn that suits the payment, perhaps with others.
pub(crate) async fn attempt_shared(chain: &EvmChain, payment: &mut Payment) -> Result<Attempt, ChainError> {
    let turn = chain.turn_for(payment).await?;
    let attempt = chain.prepare(payment, turn.as_ref()).await?;
    payment.attempts.push(attempt.clone());
    chain.broadcast(&attempt).await?;
    Ok(attempt)
}

/// Lets all these payments wait for the account, then lets them go on; each with its attempt, or why it has none.
pub(crate) async fn attempt_together(
    chain: &Arc<EvmChain>,
    payments: Vec<Payment>,
) -> Vec<(Payment, Result<Attempt, ChainError>)> {
    let held = chain.turn().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, mut payment) in payments.into_iter().enumerate() {
        let chain = Arc::clone(chain);
        tasks.spawn(async move {
            let attempt = attempt_shared(&chain, &mut payment).await;
            (number, payment, attempt)
        });
    }
    // Whoever has come by then is in line.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(held);
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(number, ..)| *number);
    done.into_iter().map(|(_, payment, attempt)| (payment, attempt)).collect()
}

/// Settles on a node that mines by itself.
pub(crate) async fn settle(chain: &EvmChain, payment: &mut Payment) -> Landing {
    attempt(chain, payment).await.unwrap();
    until_landed(chain, payment).await
}

/// Looks until the payment has landed.
pub(crate) async fn until_landed(chain: &EvmChain, payment: &Payment) -> Landing {
    let looking = async {
        loop {
            match chain.observe(payment).await.unwrap() {
                Observation::Pending(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return landed(other),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it lands")
}

pub(crate) fn landed(observation: Observation) -> Landing {
    match observation {
        Observation::Landed(landing) => landing,
        other => panic!("not landed: {other:?}"),
    }
}

pub(crate) fn dead(observation: Observation) -> &'static str {
    match observation {
        Observation::Dead(refusal) | Observation::Failed(refusal) => refusal.reason,
        other => panic!("not dead: {other:?}"),
    }
}
