//! Refunds on a real node: a plain transfer from the deposit wallet, at most one per refund.

use crate::support::{PRICE, SETTLEMENT_KEY, STRANGER, World, config, key, settle};
use std::sync::Arc;
use std::time::Duration;
use tollwire_exact::evm::{Payload, PrivateKey};
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Attempt, Landing, Refund, RefundFate, RefundOrder};
use tollwire_ledger::{Clock, Command, Ledger, Outcome, SystemClock};
use tollwire_settlement::{Chain, ChainError, Delivery, Settled, Settler, SettlerConfig};
use tollwire_settlement_evm::EvmChain;
use tollwire_testkit::link::{FaultLink, Faults};
use tollwire_x402::{SessionId, Usdc};

const WITHHELD: u64 = 1_000;
const WAIT: Duration = Duration::from_secs(60);

/// A refund of [`PRICE`], which a payment put into the deposit wallet.
async fn owed(world: &World) -> Refund {
    settle(&world.chain, &mut world.payment()).await;
    let info = world.chain.info();
    let order = RefundOrder {
        number: 1,
        units: 1,
        bought: 1,
        captured: 0,
        value: Usdc::from_atomic(PRICE).unwrap(),
        gas: Usdc::from_atomic(WITHHELD).unwrap(),
        network: world.network,
        asset: info.asset.clone(),
        from: info.deposit_wallet.clone(),
        to: world.payer.address().to_string(),
    };
    let ordered = SystemClock.now();
    Refund { order, ordered, attempts: Vec::new(), fate: RefundFate::Pending }
}

async fn prepare(chain: &EvmChain, refund: &mut Refund) -> Result<Attempt, ChainError> {
    let turn = chain.turn().await?;
    let attempt = chain.prepare_outgoing(&refund.outgoing(), turn.as_ref()).await?;
    refund.attempts.push(attempt.clone());
    Ok(attempt)
}

async fn until_paid(chain: &EvmChain, refund: &Refund) -> Landing {
    let looking = async {
        loop {
            match chain.observe_outgoing(&refund.outgoing()).await.unwrap() {
                Delivery::Landed(landing) => return landing,
                Delivery::Pending(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Delivery::Clear => panic!("proven dead"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it lands")
}

/// What came back to the payer.
async fn returned(world: &World) -> Vec<u64> {
    let payer = world.payer.address().to_string();
    let transfers = world.anvil.transfers_to(&payer).await.unwrap();
    let wallet = world.deposit_wallet();
    transfers.iter().filter(|t| t.from.eq_ignore_ascii_case(wallet)).map(|t| t.value).collect()
}

#[tokio::test]
async fn the_money_goes_back_to_the_payer_and_the_gas_is_told() {
    let world = World::base().await;
    let mut refund = owed(&world).await;
    let payer = world.payer.address().to_string();
    let estimate = world.chain.outgoing_gas(&payer).await.unwrap();
    assert!(estimate > Usdc::ZERO);
    assert_eq!(world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(), Delivery::Clear);
    let sent = prepare(&world.chain, &mut refund).await.unwrap();
    world.chain.broadcast(&sent).await.unwrap();
    let landing = until_paid(&world.chain, &refund).await;
    assert_eq!(landing.tx, sent.tx);
    assert!(landing.gas > Usdc::ZERO);
    assert_eq!(returned(&world).await, [PRICE - WITHHELD]);
    let error = prepare(&world.chain, &mut refund).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused(_)), "{error}");
    world.chain.broadcast(&sent).await.expect("known already");
    assert_eq!(returned(&world).await.len(), 1);
}

#[tokio::test]
async fn a_stuck_refund_is_outbid_in_its_place_and_one_of_both_lands() {
    let world = World::base().await;
    let mut refund = owed(&world).await;
    world.anvil.set_automine(false).await.unwrap();
    for _ in 0..3 {
        let attempt = prepare(&world.chain, &mut refund).await.unwrap();
        world.chain.broadcast(&attempt).await.unwrap();
    }
    assert!(refund.attempts.iter().all(|attempt| attempt.nonce == refund.attempts[0].nonce));
    world.anvil.mine(1).await.unwrap();
    assert_eq!(until_paid(&world.chain, &refund).await.tx, refund.attempts[2].tx);
    for attempt in &refund.attempts {
        let _ = world.chain.broadcast(attempt).await;
    }
    world.anvil.mine(5).await.unwrap();
    assert_eq!(returned(&world).await, [PRICE - WITHHELD]);
}

#[tokio::test]
async fn a_refund_the_node_never_saw_keeps_its_nonce() {
    let world = World::base().await;
    let mut refund = owed(&world).await;
    let lost = prepare(&world.chain, &mut refund).await.unwrap();
    let restarted = world.restarted().await;
    assert_eq!(
        restarted.observe_outgoing(&refund.outgoing()).await.unwrap(),
        Delivery::Pending(lost.tx.clone())
    );
    let again = prepare(&restarted, &mut refund).await.unwrap();
    assert_eq!(again.nonce, lost.nonce);
    restarted.broadcast(&lost).await.unwrap();
    assert_eq!(until_paid(&restarted, &refund).await.tx, lost.tx);
    let _ = restarted.broadcast(&again).await;
    assert_eq!(returned(&world).await, [PRICE - WITHHELD]);
}

#[tokio::test]
async fn a_superseded_refund_is_made_again_only_after_proof_of_its_death() {
    let world = World::with(8453, |config| config.expiry_depth = 3).await;
    let mut refund = owed(&world).await;
    let lost = prepare(&world.chain, &mut refund).await.unwrap();
    // Another transaction of ours takes the nonce.
    let mut other = world.payment();
    settle(&world.chain, &mut other).await;
    assert_eq!(other.attempts[0].nonce, lost.nonce);
    for _ in 0..3 {
        assert_eq!(
            world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(),
            Delivery::Pending(lost.tx.clone())
        );
        let error = prepare(&world.chain, &mut refund).await.unwrap_err();
        assert!(matches!(&error, ChainError::Refused(text) if text.contains("proven")), "{error}");
        world.anvil.mine(1).await.unwrap();
    }
    assert_eq!(world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(), Delivery::Clear);
    let next = prepare(&world.chain, &mut refund).await.unwrap();
    assert_ne!(next.nonce, lost.nonce);
    world.chain.broadcast(&next).await.unwrap();
    assert_eq!(until_paid(&world.chain, &refund).await.tx, next.tx);
    assert!(world.chain.broadcast(&lost).await.is_err());
    assert_eq!(returned(&world).await, [PRICE - WITHHELD]);
}

#[tokio::test]
async fn a_reverted_refund_is_made_again() {
    let world = World::with(8453, |config| config.expiry_depth = 2).await;
    let mut refund = owed(&world).await;
    let first = prepare(&world.chain, &mut refund).await.unwrap();
    // The wallet is emptied before the block, without a transaction of its own.
    let wallet = world.deposit_wallet().to_owned();
    let owner = PrivateKey::from_bytes(&SETTLEMENT_KEY).unwrap();
    let mut emptying = world.authorization();
    (emptying.from, emptying.to) = (owner.address(), key(9).address());
    let signature = emptying.sign(&owner, &world.domain()).unwrap();
    let payload = Payload::new(emptying, &signature);
    let emptied = world.anvil.submit_authorization(STRANGER, &World::stolen(&payload)).await.unwrap();
    world.anvil.succeeded(&emptied).await.unwrap();
    world.chain.broadcast(&first).await.unwrap();
    world.mined(&first.tx).await;
    assert_eq!(
        world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(),
        Delivery::Pending(first.tx.clone())
    );
    world.anvil.mine(2).await.unwrap();
    assert_eq!(world.chain.observe_outgoing(&refund.outgoing()).await.unwrap(), Delivery::Clear);
    let error = prepare(&world.chain, &mut refund).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused(_)), "{error}");
    world.anvil.mint(&wallet, PRICE).await.unwrap();
    let second = prepare(&world.chain, &mut refund).await.unwrap();
    world.chain.broadcast(&second).await.unwrap();
    assert_eq!(until_paid(&world.chain, &refund).await.tx, second.tx);
    assert_eq!(returned(&world).await, [PRICE - WITHHELD]);
}

#[tokio::test]
async fn a_deposit_wallet_of_another_key_cannot_pay_back_and_says_so() {
    let world = World::with(8453, |config| config.pay_to = Some(STRANGER.to_owned())).await;
    let payer = world.payer.address().to_string();
    let error = world.chain.outgoing_gas(&payer).await.unwrap_err();
    assert!(matches!(&error, ChainError::CannotPay(text) if text.contains("pay_to")), "{error}");
}

/// A closed session with [`PRICE`] left, and two processes that see the chain through an unreliable line.
async fn closed(world: &World, settler: &Settler, ledger: &dyn Ledger) -> SessionId {
    let payload = world.signed(world.authorization());
    let intent = world.recorded(&payload).intent;
    let session = intent.session.clone();
    let settled =
        settler.settle(&world.requirements(), intent, payload.id(&world.domain()), WAIT).await.unwrap();
    assert!(matches!(settled, Settled::Credited { .. }), "{settled:?}");
    let closed = ledger.apply(Command::Close { session: session.clone() }).await.unwrap();
    assert!(matches!(closed, Outcome::Done(_)), "{closed:?}");
    session
}

#[tokio::test]
async fn fifty_callers_two_processes_and_a_line_that_drops_answers_pay_back_once() {
    let world = World::base().await;
    let link = FaultLink::start(world.anvil.address()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(clock.clone()));
    let mut processes = Vec::new();
    for name in ["a", "b"] {
        let mut through_link = config(&world.anvil);
        through_link.rpc_url = format!("http://{}", link.address());
        through_link.lease = Some(ledger.clone());
        through_link.usdc_per_coin = Usdc::from_atomic(1_000_000).unwrap();
        let chain: Arc<dyn Chain> = Arc::new(EvmChain::connect(through_link).await.unwrap());
        let settings = SettlerConfig::named(name);
        processes.push(Arc::new(Settler::new(ledger.clone(), vec![chain], clock.clone(), settings)));
    }
    let session = closed(&world, &processes[0], ledger.as_ref()).await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (settler, session) = (processes[n % 2].clone(), session.clone());
        callers.spawn(async move {
            loop {
                if let Ok(Some((id, _))) = settler.refund(&session).await
                    && let Ok(refund) = settler.await_refund(&id, WAIT).await
                    && let RefundFate::Paid(_) = refund.fate
                {
                    return refund;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    // The line is cut again and again in the midst of it.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        link.set(Faults { refuse: true, ..Faults::default() });
        link.cut();
        tokio::time::sleep(Duration::from_millis(60)).await;
        link.set(Faults::default());
    }
    let refunds = tokio::time::timeout(WAIT, callers.join_all()).await.expect("paid in time");
    let amount = refunds[0].order.amount().atomic();
    assert!(
        refunds.iter().all(|refund| refund.order.number == 1 && refund.order.amount().atomic() == amount)
    );
    assert_eq!(returned(&world).await, [amount]);
}
