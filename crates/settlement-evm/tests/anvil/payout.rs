//! Payouts on a real node: a provider is paid by one transfer, whatever its process died at.

use crate::support::{STRANGER, World};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Intent, Landing, Payout, PayoutFate, PayoutId};
use tollwire_ledger::{Clock, Command, Ledger, Outcome, PayoutCommand, PayoutOutcome, SystemClock};
use tollwire_settlement::books::{Account, trial_balance};
use tollwire_settlement::{Chain, Settler, SettlerConfig};
use tollwire_x402::Usdc;

/// What the session was paid with, and what its provider gets of it.
const DEPOSIT: u64 = 20_000_000;
const NET: u64 = DEPOSIT - DEPOSIT / 100 - GAS;
const GAS: u64 = 3_000;
const WAIT: Duration = Duration::from_secs(60);

/// A chain, a ledger with a session that is used whole, and its money in the deposit wallet.
struct Books {
    world: World,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
}

impl Books {
    async fn new() -> Self {
        let world = World::base().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new(clock.clone()));
        let wallet = world.deposit_wallet().to_owned();
        world.anvil.mint(&wallet, DEPOSIT).await.unwrap();
        let payload = world.signed(world.authorization());
        let intent = Intent {
            units: 10,
            amount: usdc(DEPOSIT),
            provider: Some(STRANGER.to_owned()),
            ..world.recorded(&payload).intent
        };
        let (session, payment) = (intent.session.clone(), payload.id(&world.domain()));
        let landing = Landing { tx: "0x01".into(), block: 1, gas: usdc(GAS) };
        let stream: tollwire_x402::StreamId = "0123456789abcdef".parse().unwrap();
        for command in [
            Command::Record { payment: payment.clone(), intent: Box::new(intent) },
            Command::Credit { payment, session: session.clone(), landing },
            Command::Hold {
                session: session.clone(),
                stream: stream.clone(),
                fence: None,
                to: 10,
                lease: Duration::from_secs(10),
                streams_max: 1,
            },
            Command::End { session, stream, fence: 1, used: 10 },
        ] {
            let outcome = ledger.apply(command).await.unwrap();
            assert!(matches!(outcome, Outcome::Done(_) | Outcome::Held { .. }), "{outcome:?}");
        }
        // Deep enough that no reorganisation is expected to take the deposit away.
        world.anvil.mine(70).await.unwrap();
        Self { world, ledger, clock }
    }

    async fn settler(&self, name: &str) -> Arc<Settler> {
        let chain: Arc<dyn Chain> = Arc::new(self.world.restarted().await);
        let config = SettlerConfig::named(name);
        Arc::new(Settler::new(self.ledger.clone(), vec![chain], self.clock.clone(), config))
    }

    /// A payout that was sealed by a process that died then.
    async fn sealed(&self) -> (PayoutId, Payout) {
        let settler = self.settler("first").await;
        let round = settler.pay_providers(None).await.unwrap().unwrap();
        drop(settler);
        assert_eq!((round.sealed.len(), round.short.len(), round.failed.len()), (1, 0, 0), "{round:?}");
        round.sealed.into_iter().next().unwrap()
    }

    async fn attached(&self, id: &PayoutId, payout: &Payout) -> tollwire_ledger::model::Attempt {
        let chain = self.world.restarted().await;
        let turn = chain.turn().await.unwrap();
        let outgoing = payout.outgoing(id.account.network());
        let attempt = chain.prepare_outgoing(&outgoing, turn.as_ref()).await.unwrap();
        let attach = PayoutCommand::Attach { payout: id.clone(), made: 0, attempt: attempt.clone() };
        assert!(matches!(self.ledger.pay_out(attach).await.unwrap(), PayoutOutcome::Done(_)));
        attempt
    }

    /// Another process pays what is pending; the provider has its money once, and the books say so.
    async fn pays(&self, id: &PayoutId) -> Payout {
        let settler = self.settler("second").await;
        let paid = settler.await_payout(id, WAIT).await.unwrap();
        let PayoutFate::Paid(landing) = &paid.fate else { panic!("{paid:?}") };
        assert!(landing.gas > Usdc::ZERO);
        assert!(paid.attempts.iter().any(|attempt| attempt.tx == landing.tx));
        let nothing = settler.pay_providers(Some(usdc(1))).await.unwrap().unwrap();
        assert_eq!(nothing.sealed, [], "{nothing:?}");
        let wallet = self.world.deposit_wallet().to_owned();
        let transfers = self.world.anvil.transfers_to(STRANGER).await.unwrap();
        let sent: Vec<u64> =
            transfers.iter().filter(|t| t.from.eq_ignore_ascii_case(&wallet)).map(|t| t.value).collect();
        assert_eq!(sent, [NET]);
        let books = trial_balance(self.ledger.as_ref(), settler.payout_terms()).await.unwrap();
        let balance = &books[&self.world.network];
        assert!(balance.is_zero(), "{balance:#?}");
        let held = self.world.anvil.balance_of(&wallet).await.unwrap();
        assert_eq!(balance.balance(Account::Custody), i128::from(held));
        paid
    }
}

fn usdc(atomic: u64) -> Usdc {
    Usdc::from_atomic(atomic).unwrap()
}

#[tokio::test]
async fn a_provider_is_paid_on_a_real_chain() {
    let books = Books::new().await;
    let settler = books.settler("first").await;
    let round = settler.pay_providers(None).await.unwrap().unwrap();
    let [(id, payout)] = &round.sealed[..] else { panic!("{round:?}") };
    assert_eq!(payout.amount(), usdc(NET));
    let paid = books.pays(id).await;
    assert_eq!(paid.attempts.len(), 1);
}

#[tokio::test]
async fn a_process_that_died_before_its_transfer_is_followed_by_another() {
    let books = Books::new().await;
    let (id, _) = books.sealed().await;
    books.pays(&id).await;
}

#[tokio::test]
async fn a_transfer_that_was_attached_and_never_sent_is_sent_once() {
    let books = Books::new().await;
    let (id, payout) = books.sealed().await;
    let attempt = books.attached(&id, &payout).await;
    let paid = books.pays(&id).await;
    assert!(paid.attempts.iter().all(|other| other.nonce == attempt.nonce), "{paid:?}");
}

#[tokio::test]
async fn a_transfer_that_was_sent_and_not_noted_is_found() {
    let books = Books::new().await;
    let (id, payout) = books.sealed().await;
    let attempt = books.attached(&id, &payout).await;
    books.world.chain.broadcast(&attempt).await.unwrap();
    books.world.mined(&attempt.tx).await;
    let paid = books.pays(&id).await;
    assert_eq!(paid.attempts, [attempt]);
}
