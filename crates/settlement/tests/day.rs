//! A random day: ten thousand payments, uses, refunds, payouts, reorganisations and crashes. At its end every atomic unit is where the
//! books say, on the chain too, and every provider has exactly what its sessions earned.
//!
//! `SIM_SEED=<n>` plays another day, `SIM_PAYMENTS=<n>` a longer or shorter one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::dice::Dice;
use support::plug::{Plug, PluggedChain, PluggedLedger};
use support::sales::{arrive, payment_id, purchase, session_id, usage};
use support::synchronous::{Synchronous, block_on};
use support::{Scene, TokioClock, usdc};
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::memory::MemoryLedger;
use tollwire_ledger::model::{Intent, Landing, PayoutFate, ProviderAccount};
use tollwire_ledger::{Clock, Command, Ledger, Outcome};
use tollwire_settlement::books::{Account, payouts};
use tollwire_settlement::dev::{DevChain, NETWORK};
use tollwire_settlement::dues::statement;
use tollwire_settlement::{PayoutTerms, Settler, SettlerConfig};
use tollwire_x402::SessionId;

const PAYMENTS: u64 = 10_000;
/// Payments between two turns of refunds, payouts and crashes.
const BATCH: u64 = 100;
const PROVIDERS: u64 = 5;
/// Prices of a unit, in atomic units; a top-up may come at another than its session was opened at.
const PRICES: [u64; 5] = [1, 333, 10_000, 25_001, 333_333];

/// The day and what it is played on.
struct Day {
    dice: Dice,
    scene: Scene,
    /// Without waiting for each answer: what is sent together is committed together.
    raw: Arc<dyn Ledger>,
    /// Sessions that were opened and not closed, with their provider.
    open: Vec<(u64, Option<String>)>,
    /// Payments recorded by processes that died then: payment, session, amount.
    doubts: Vec<(u64, u64, u64)>,
    /// Payments that were credited and then taken away by a reorganisation, until the chain has them again.
    missed: Vec<Missed>,
    sessions: u64,
    payments: u64,
    streams: u64,
    crashes: u64,
}

/// A payment that the chain took back: whose it was, how much, and how it had landed.
struct Missed {
    payment: u64,
    session: u64,
    amount: u64,
    landing: Landing,
}

fn provider(n: u64) -> String {
    format!("0x{:040x}", 0xa11ce + n)
}

impl Day {
    fn new(seed: u64, raw: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        let chain = Arc::new(DevChain::new(clock.clone()));
        let ledger = Arc::new(Synchronous { ledger: raw.clone(), clock: clock.clone() });
        let scene = Scene { clock, ledger, chain };
        let dice = Dice(seed);
        let (open, doubts, missed) = (Vec::new(), Vec::new(), Vec::new());
        Self { dice, scene, raw, open, doubts, missed, sessions: 0, payments: 0, streams: 0, crashes: 0 }
    }

    /// Sends commands together; the last answers are in their order.
    fn send(&self, commands: Vec<Command>) -> Vec<Outcome> {
        self.scene.clock.now();
        let answers: Vec<_> = commands.into_iter().map(|command| self.raw.apply(command)).collect();
        answers.into_iter().map(|answer| block_on(answer).unwrap()).collect()
    }

    fn credit(&mut self, payment: u64, session: u64) -> Command {
        let gas = usdc(5_000 + self.dice.roll(4_000));
        let landing = Landing { tx: format!("0x{payment:x}"), block: payment, gas };
        Command::Credit { payment: payment_id(payment), session: session_id(session), landing }
    }

    /// One payment, for a new session or for one there is, and its fate: landed, or its process dies.
    fn pay(&mut self, commands: &mut Vec<Command>) {
        self.payments += 1;
        let payment = self.payments;
        let top_up = !self.open.is_empty() && self.dice.chance(50);
        let (session, owner) = if top_up {
            let picked = self.dice.roll(u64::try_from(self.open.len()).unwrap());
            self.open[usize::try_from(picked).unwrap()].clone()
        } else {
            self.sessions += 1;
            let n = self.dice.roll(PROVIDERS + 1);
            // One feed has no wallet to pay.
            (self.sessions, (n < PROVIDERS).then(|| provider(n)))
        };
        let price = PRICES[usize::try_from(self.dice.roll(5)).unwrap()];
        let units = 1 + self.dice.roll(40);
        let amount = units * price;
        let intent = Intent { top_up, ..purchase(session, units, amount, owner.as_deref()) };
        let record = Command::Record { payment: payment_id(payment), intent: Box::new(intent) };
        commands.push(record.clone());
        if self.dice.chance(10) {
            commands.push(record);
        }
        if !top_up {
            // Only once it was credited can it be topped up.
            self.open.push((session, owner));
        } else if self.dice.chance(15) {
            self.doubts.push((payment, session, amount));
            return;
        }
        let credit = self.credit(payment, session);
        commands.push(credit.clone());
        if self.dice.chance(10) {
            commands.push(credit.clone());
        }
        let Command::Credit { landing, .. } = credit else { unreachable!() };
        if self.dice.chance(3) {
            commands.push(Command::Freeze { payment: payment_id(payment), session: session_id(session) });
            self.missed.push(Missed { payment, session, amount, landing });
        } else {
            arrive(&self.scene.chain, amount);
        }
    }

    /// What becomes of payments that were taken away: the chain has them again, elsewhere, or does not yet.
    fn thaw(&mut self, commands: &mut Vec<Command>) {
        for missed in std::mem::take(&mut self.missed) {
            if self.dice.chance(80) {
                self.missed.push(missed);
                continue;
            }
            let Missed { payment, session, amount, landing } = missed;
            arrive(&self.scene.chain, amount);
            let landing = Landing { block: landing.block + self.dice.roll(3), ..landing };
            let (payment, session) = (payment_id(payment), session_id(session));
            commands.push(Command::Thaw { payment, session, landing });
        }
    }

    /// What becomes of payments in doubt: the next process finds them landed, or dead.
    fn reconcile_payments(&mut self, commands: &mut Vec<Command>) {
        for (payment, session, amount) in std::mem::take(&mut self.doubts) {
            match self.dice.roll(3) {
                0 => self.doubts.push((payment, session, amount)),
                1 => {
                    arrive(&self.scene.chain, amount);
                    commands.push(self.credit(payment, session));
                }
                _ => commands.push(Command::Abandon {
                    payment: payment_id(payment),
                    session: session_id(session),
                    reason: "expired".into(),
                }),
            }
        }
    }

    /// Somebody uses a session: by the unit, by leases, or in vain.
    fn consume(&mut self, commands: &mut Vec<Command>) {
        let Some(picked) = self.pick() else { return };
        let session = session_id(picked);
        self.streams += 1;
        let units = 1 + self.dice.roll(15);
        let [hold, end] = usage(&session, self.streams, units);
        let Command::Hold { stream, .. } = hold.clone() else { unreachable!() };
        let live_for = Duration::from_secs(60);
        let post =
            |to| Command::Post { session: session.clone(), stream: stream.clone(), fence: 1, to, live_for };
        commands.push(hold);
        match self.dice.roll(5) {
            // A node died with units held ahead, or with a stream that counts as live.
            0 => {}
            1 => commands.push(post(1)),
            2 => {
                commands.push(post(1));
                commands.push(Command::Reverse {
                    session: session.clone(),
                    stream: stream.clone(),
                    fence: 1,
                });
            }
            3 => {
                let extend = Command::Extend {
                    session: session.clone(),
                    stream: stream.clone(),
                    fence: 1,
                    used: units / 2,
                    need: units / 2,
                    want: units,
                    lease: Duration::from_secs(10),
                    live_for,
                };
                commands.extend([extend, end]);
            }
            _ => commands.push(end),
        }
    }

    fn pick(&mut self) -> Option<u64> {
        let count = u64::try_from(self.open.len()).unwrap();
        let picked = usize::try_from(self.dice.roll(count.max(1))).unwrap();
        self.open.get(picked).map(|(session, _)| *session)
    }

    /// A process that may die at any of its calls, on a chain that may do anything.
    fn process(&mut self, name: &str) -> (Arc<Settler>, Arc<Plug>) {
        let at = i64::try_from(self.dice.roll(60)).unwrap();
        let plug = if self.dice.chance(50) { Plug::at(at, self.dice.chance(50)) } else { Plug::safe() };
        for _ in 0..self.dice.roll(3) {
            let fault = self.dice.fault();
            self.scene.chain.faults().next_broadcast(fault);
        }
        let ledger = Arc::new(PluggedLedger { plug: plug.clone(), inner: self.scene.ledger.clone() });
        let inner = self.scene.chain.clone();
        let chain = Arc::new(PluggedChain { plug: plug.clone(), inner, lag: Duration::ZERO });
        (self.scene.settler_over(ledger, chain, SettlerConfig::named(name)), plug)
    }

    /// Closes some sessions and pays their rest back.
    async fn refund_some(&mut self, turn: u64) {
        let mut closed = Vec::new();
        for _ in 0..self.dice.roll(12) {
            if self.open.is_empty() {
                break;
            }
            let picked = self.dice.roll(u64::try_from(self.open.len()).unwrap());
            closed.push(session_id(self.open.swap_remove(usize::try_from(picked).unwrap()).0));
        }
        self.send(closed.iter().map(|session| Command::Close { session: session.clone() }).collect());
        let (settler, plug) = self.process(&format!("refunds {turn}"));
        let wait = Duration::from_secs(self.dice.roll(30));
        let story = async {
            for session in &closed {
                if let Ok(Some((id, _))) = settler.refund(session).await {
                    let _ = settler.await_refund(&id, wait).await;
                }
            }
        };
        self.crashes += u64::from(until_pulled(&plug, story).await);
    }

    /// Pays providers, by one process or by two at once.
    async fn pay_providers(&mut self, turn: u64) {
        let threshold = usdc(self.dice.roll(3) * 1_000_000);
        let wait = Duration::from_secs(self.dice.roll(30));
        let processes = [self.process(&format!("pays {turn}")), self.process(&format!("pays too {turn}"))];
        let both = usize::try_from(1 + self.dice.roll(2)).unwrap();
        let stories = processes.iter().take(both).map(|(settler, plug)| {
            let story = async move {
                if let Ok(Some(round)) = settler.pay_providers(Some(threshold)).await {
                    for (id, _) in round.sealed {
                        let _ = settler.await_payout(&id, wait).await;
                    }
                }
            };
            until_pulled(plug, story)
        });
        let died = futures_util::future::join_all(stories).await;
        self.crashes += u64::try_from(died.into_iter().filter(|died| *died).count()).unwrap();
    }

    /// The end of the day: nothing is in doubt any more, and everybody is paid.
    async fn settle_all(&mut self) {
        self.scene.chain.faults().heal();
        while !(self.doubts.is_empty() && self.missed.is_empty()) {
            let mut commands = Vec::new();
            self.reconcile_payments(&mut commands);
            self.thaw(&mut commands);
            self.send(commands);
        }
        // Leases lapse, and no unit comes back any more.
        tokio::time::sleep(Duration::from_hours(1)).await;
        let last = self.scene.settler("last");
        for _ in 0..400 {
            last.reconcile_once().await.unwrap();
            let ledger = &self.scene.ledger;
            let refunds = ledger.refunds_in_doubt(None, 1).await.unwrap().len();
            if refunds + ledger.payouts_in_doubt(None, 1).await.unwrap().len() == 0 {
                let round = last.pay_providers(Some(usdc(1))).await.unwrap().unwrap();
                assert_eq!((round.short.len(), round.failed.len()), (0, 0), "{round:?}");
                if round.sealed.is_empty() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        panic!("something stays in doubt");
    }

    /// Every provider has what its sessions earned, to the atomic unit, by the chain's own account of it.
    async fn compare(&self) {
        let (ledger, terms) = (self.scene.ledger.as_ref(), PayoutTerms::default());
        let (mut earned, mut after) = (BTreeMap::<String, u64>::new(), None::<SessionId>);
        loop {
            let page = ledger.sessions(after.as_ref(), 500).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, session) in page {
                let shares = statement(&session, terms.fee_bps, terms.unspent).unwrap();
                if let Some(provider) = session.provider {
                    *earned.entry(provider).or_default() += shares.provider_net.atomic();
                    assert_eq!(shares.provider_net, shares.handed);
                }
            }
        }
        assert_eq!(u64::try_from(earned.len()).unwrap(), PROVIDERS);
        for (wallet, earned) in earned {
            assert_eq!(self.scene.sent_to(&wallet).iter().sum::<u64>(), earned, "{wallet}");
            let account = ProviderAccount::new(NETWORK, &wallet).unwrap();
            let provider = ledger.provider(&account).await.unwrap().unwrap();
            assert_eq!((provider.gathered, provider.gathering), (usdc(earned), false));
        }
        // Each payout moved money once.
        let all = payouts(ledger).await.unwrap();
        let sent: usize = (0..PROVIDERS).map(|n| self.scene.sent_to(&provider(n)).len()).sum();
        assert_eq!(all.len(), sent);
        assert!(all.iter().all(|(_, payout)| matches!(payout.fate, PayoutFate::Paid(_))));
    }
}

/// Runs a story until its end or its process's; true if the process died.
async fn until_pulled(plug: &Plug, story: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = plug.pulled() => true,
        () = story => false,
    }
}

fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn play(raw: Arc<dyn Ledger>, clock: Arc<dyn Clock>) {
    let seed = knob("SIM_SEED").unwrap_or(20_261_126);
    let payments = knob("SIM_PAYMENTS").unwrap_or(PAYMENTS);
    let mut day = Day::new(seed, raw, clock);
    let mut turn = 0;
    while day.payments < payments {
        turn += 1;
        let mut commands = Vec::new();
        for _ in 0..BATCH.min(payments - day.payments) {
            day.pay(&mut commands);
            if day.dice.chance(70) {
                day.consume(&mut commands);
            }
        }
        day.reconcile_payments(&mut commands);
        day.thaw(&mut commands);
        day.send(commands);
        let pause = Duration::from_secs(1 + day.dice.roll(600));
        tokio::time::sleep(pause).await;
        day.refund_some(turn).await;
        if day.dice.chance(40) {
            day.pay_providers(turn).await;
        }
        if turn % 20 == 0 {
            // Whatever died where: the books balance. What landed and is not known to has left the wallet already.
            let balance = day.scene.books().await;
            assert!(balance.is_zero(), "turn {turn}: {balance:#?}");
        }
    }
    day.settle_all().await;
    day.compare().await;
    let balance = day.scene.audit().await;
    let liabilities: i128 = balance
        .entries
        .iter()
        .filter(|entry| entry.account.is_liability())
        .map(tollwire_settlement::books::Entry::balance)
        .sum();
    let income = balance.balance(Account::Fees) + balance.balance(Account::GasCharged);
    assert_eq!(
        balance.balance(Account::Custody),
        -(liabilities + income),
        "custody is what is owed and earned"
    );
    for account in [Account::Refunds, Account::HandedOver, Account::Payouts] {
        assert_eq!(balance.balance(account), 0, "{account:?}");
    }
    assert!(day.crashes * 10 >= payments / BATCH, "only {} crashes", day.crashes);
}

/// Virtual time.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn in_memory_every_atomic_unit_is_where_the_books_say() {
    paused().block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        play(Arc::new(MemoryLedger::new(clock.clone())), clock).await;
    });
}

#[test]
fn in_a_file_every_atomic_unit_is_where_the_books_say() {
    // Thousands of commits: where there is a disk in memory, none of them waits for a real one.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    paused().block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let ledger = EmbeddedLedger::open(folder.path().join("ledger.db"), clock.clone()).unwrap();
        play(Arc::new(ledger), clock).await;
    });
}
