//! A node with mints, our chain on it, and a payer with money and without SOL.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tollwire_exact::solana::{Address, PrivateKey, Transfer};
use tollwire_ledger::model::{Attempt, Fate, Intent, Landing, Payment};
use tollwire_ledger::{Clock, SystemClock};
use tollwire_settlement::{Chain, ChainError, Observation, Refusal};
use tollwire_settlement_solana::{SolanaChain, SolanaConfig};
use tollwire_testkit::solana::{DEVNET_USDC, Surfnet};
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{PaymentId, SolanaCluster, Unit, Usdc};

pub(crate) const PRICE: u64 = 10_000;
pub(crate) const FUNDS: u64 = 1_000_000;
/// One SOL.
pub(crate) const LAMPORTS: u64 = 1_000_000_000;
/// A blockhash lives for 7.5 seconds, and what landed is final after 1.6.
pub(crate) const SLOT: Duration = Duration::from_millis(50);

pub(crate) struct World {
    pub(crate) node: Surfnet,
    pub(crate) chain: Arc<SolanaChain>,
    pub(crate) payer: PrivateKey,
    memos: AtomicU32,
}

pub(crate) fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[byte; 32])
}

/// As wallets export it.
pub(crate) fn exported(byte: u8) -> String {
    let pair = [[byte; 32], *key(byte).address().as_bytes()].concat();
    serde_json::to_string(&pair).unwrap()
}

pub(crate) fn now() -> u64 {
    SystemClock.now().secs()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a configuration of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut SolanaConfig)) -> Self {
        Self::on(Surfnet::start(SLOT).await.unwrap(), change).await
    }

    /// On a node that runs already.
    pub(crate) async fn on(node: Surfnet, change: impl FnOnce(&mut SolanaConfig)) -> Self {
        let payer = key(7);
        let fee_payer = key(8).address().to_string();
        node.set_lamports(&fee_payer, LAMPORTS).await.unwrap();
        node.mint(DEVNET_USDC, &payer.address().to_string(), FUNDS).await.unwrap();
        let mut config = config(&node).await;
        change(&mut config);
        let wallet = deposit_wallet(&config);
        node.mint(config.asset.as_deref().unwrap_or(DEVNET_USDC), &wallet, 0).await.unwrap();
        let chain = Arc::new(SolanaChain::connect(config).await.unwrap());
        Self { node, chain, payer, memos: AtomicU32::new(1) }
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

    pub(crate) async fn blockhash(&self) -> [u8; 32] {
        let hints = self.chain.offer_hints().await;
        let text = hints["recentBlockhash"].as_str().unwrap();
        *text.parse::<Address>().unwrap().as_bytes()
    }

    /// A transfer that fits the requirements, under the newest blockhash.
    pub(crate) async fn transfer(&self) -> Transfer<'static> {
        let to = self.deposit_wallet().parse().unwrap();
        let mint = self.chain.info().asset.parse().unwrap();
        let memo: &'static str = self.memos.fetch_add(1, Ordering::Relaxed).to_string().leak();
        let terms = Transfer::usdc(key(8).address(), self.payer.address(), to, mint, PRICE);
        Transfer { blockhash: self.blockhash().await, memo, ..terms }
    }

    pub(crate) fn signed(&self, transfer: &Transfer<'_>) -> Value {
        let mut transaction = transfer.transaction().unwrap();
        transaction.sign(&self.payer).unwrap();
        json!({ "transaction": transaction.to_base64() })
    }

    pub(crate) async fn payload(&self) -> Value {
        self.signed(&self.transfer().await)
    }

    pub(crate) fn id(&self, payload: &Value) -> PaymentId {
        self.chain.identify(&self.requirements(), payload).unwrap().id
    }

    /// A good payment, recorded and not yet settled.
    pub(crate) async fn payment(&self) -> Payment {
        self.recorded(&self.payload().await)
    }

    pub(crate) fn recorded(&self, payload: &Value) -> Payment {
        let requirements = self.requirements();
        let number = self.memos.fetch_add(1, Ordering::Relaxed);
        let intent = Intent {
            session: format!("7d444840-9dc0-4acd-b245-5ffdce{number:06x}").parse().unwrap(),
            feed: "ticks".parse().unwrap(),
            unit: Unit::Stream,
            units: 1,
            amount: requirements.amount,
            tariff: 1,
            network: self.chain.info().network,
            chain: self.chain.info().claim.clone(),
            asset: requirements.asset,
            payer: self.payer.address().to_string(),
            pay_to: requirements.pay_to,
            provider: None,
            quote: None,
            claim: None,
            valid_before: now() + 60,
            payload: payload.to_string(),
            balance_ttl_ms: 60_000,
            plain: false,
            top_up: false,
            jkt: None,
        };
        Payment {
            intent,
            recorded: SystemClock.now(),
            attempts: Vec::new(),
            fate: Fate::Pending,
            gone: false,
        }
    }

    pub(crate) async fn verify(&self, payload: &Value) -> Result<(), Refusal> {
        self.chain.verify(&self.requirements(), payload, now()).await.unwrap().map(drop)
    }

    pub(crate) async fn received(&self) -> u64 {
        self.node.tokens(&self.chain.info().asset, self.deposit_wallet()).await.unwrap().unwrap()
    }

    /// How many transactions moved tokens into the deposit wallet.
    pub(crate) async fn arrivals(&self) -> u64 {
        self.received().await / PRICE
    }
}

/// Where payments go under this configuration.
fn deposit_wallet(config: &SolanaConfig) -> String {
    let key = config.deposit_key.as_ref().unwrap_or(&config.settlement_key);
    let own = PrivateKey::from_text(key).unwrap().address().to_string();
    config.pay_to.clone().unwrap_or(own)
}

pub(crate) async fn config(node: &Surfnet) -> SolanaConfig {
    let mut config = SolanaConfig::new(SolanaCluster::Devnet, node.url(), exported(8));
    config.genesis = Some(node.genesis().await.unwrap());
    config.deposit_key = Some(exported(9));
    config.request_timeout = Duration::from_secs(20);
    config
}

/// Prepares an attempt and keeps it with the payment, as the settlement procedure does.
pub(crate) async fn prepare(chain: &SolanaChain, payment: &mut Payment) -> Result<Attempt, ChainError> {
    let turn = chain.turn().await?;
    let attempt = chain.prepare(payment, turn.as_ref()).await?;
    payment.attempts.push(attempt.clone());
    Ok(attempt)
}

pub(crate) async fn settle(chain: &SolanaChain, payment: &mut Payment) -> Landing {
    let attempt = prepare(chain, payment).await.unwrap();
    chain.broadcast(&attempt).await.unwrap();
    landed(until_known(chain, payment).await)
}

/// Looks until the payment's fate is known.
pub(crate) async fn until_known(chain: &SolanaChain, payment: &Payment) -> Observation {
    let looking = async {
        loop {
            match chain.observe(payment).await.unwrap() {
                Observation::Pending(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => return other,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("its fate")
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
