#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a failed expectation ends the test"
)]

use super::*;
use crate::core::{PayoutSlot, pay_out};
use crate::model::{
    HandOver, Handed, Payout, PayoutFate, PayoutId, PayoutOrder, Provider, ProviderAccount, RefundOrder,
};
use crate::{PayoutCommand, PayoutOutcome};

const PROVIDER: &str = "0xCc";

/// A session of 10 units for 100,000, of which so many are captured.
fn used(captured: u64) -> Books {
    let mut books = Books::default();
    let intent = Intent { provider: Some(PROVIDER.into()), ..intent(10) };
    books.play(&[(0, record(intent), "done"), (0, credit(), "done")]);
    for n in 0..captured {
        let name = n.to_string();
        books.play(&[
            (0, hold(&name, None, 1), "held 1 posted 0"),
            (0, post(&name, 1, 1), "done"),
            (0, end(&name, 1), "done"),
        ]);
    }
    books
}

fn handed(units: u64, value: u64, fee: u64, gas: u64) -> Handed {
    let net = usdc(value - fee - gas);
    Handed { units, value: usdc(value), fee: usdc(fee), gas: usdc(gas), net }
}

fn due(from: u64, to: Handed) -> HandOver {
    HandOver { from, to, bought: 10, refunds: 0, network: Network::BASE_SEPOLIA, provider: PROVIDER.into() }
}

fn hand_over(due: HandOver) -> Command {
    Command::HandOver { session: session_id(), due: Box::new(due) }
}

#[test]
fn what_was_earned_is_handed_over_once_in_all() {
    let first = due(0, handed(3, 30_000, 300, 700));
    let second = due(3, handed(5, 50_000, 500, 700));
    let mut books = used(5);
    books.play(&[
        (0, hand_over(first.clone()), "done"),
        (0, hand_over(first.clone()), "replayed"),
        (0, hand_over(second.clone()), "done"),
        (0, hand_over(second.clone()), "replayed"),
        (0, hand_over(first), "replayed"),
    ]);
    assert_eq!(books.session.as_ref().unwrap().handed, second.to);
    assert_eq!(books.sums(), (5, 0, 5), "no unit moves");
    assert_eq!(books.journal[books.journal.len() - 2..], ["HandOver 3", "HandOver 2"]);
}

#[test]
fn nothing_is_handed_over_that_a_session_does_not_stand_for() {
    let good = || due(0, handed(3, 30_000, 300, 700));
    let wrong: [(&str, HandOver); 9] = [
        ("from", HandOver { from: 1, ..good() }),
        ("bought", HandOver { bought: 11, ..good() }),
        ("refunds", HandOver { refunds: 1, ..good() }),
        ("network", HandOver { network: Network::BASE, ..good() }),
        ("provider", HandOver { provider: "0xcc".into(), ..good() }),
        ("more than was captured", due(0, handed(4, 30_000, 300, 700))),
        ("more than was deposited", due(0, handed(3, 100_001, 300, 700))),
        ("more gas than there was", due(0, handed(3, 30_000, 300, 701))),
        ("sum", due(0, Handed { net: usdc(29_001), ..good().to })),
    ];
    for (what, due) in wrong {
        let mut books = used(3);
        let before = books.session.clone();
        assert_eq!(word(&books.apply(&hand_over(due))), "conflict", "{what}");
        assert_eq!(books.session, before, "{what}");
    }
    assert_eq!(word(&Books::default().apply(&hand_over(good()))), "unknown");
}

#[test]
fn a_unit_that_was_handed_over_is_not_reversed() {
    let mut books = Books::default();
    let intent = Intent { provider: Some(PROVIDER.into()), ..intent(10) };
    books.play(&[
        (0, record(intent), "done"),
        (0, credit(), "done"),
        (0, hold("a", None, 1), "held 1 posted 0"),
        (0, post("a", 1, 1), "done"),
        (0, hold("b", None, 1), "held 1 posted 0"),
        (0, post("b", 1, 1), "done"),
        (0, hand_over(due(0, handed(1, 10_000, 100, 700))), "done"),
        (0, reverse("a", 1), "done"),
        (0, reverse("b", 1), "conflict"),
    ]);
    assert_eq!(books.sums(), (1, 0, 9));
}

#[test]
fn a_refund_leaves_what_was_handed_over_alone() {
    let order = |value| RefundOrder {
        number: 1,
        units: 6,
        bought: 10,
        captured: 4,
        value: usdc(value),
        gas: Usdc::ZERO,
        network: Network::BASE_SEPOLIA,
        asset: "0xAa".into(),
        from: "0xDd".into(),
        to: "0xBb".into(),
    };
    let refund = |value| Command::Refund { session: session_id(), refund: Box::new(order(value)) };
    let mut books = used(4);
    books.play(&[
        (0, hand_over(due(0, handed(4, 40_000, 400, 700))), "done"),
        (0, Command::Close { session: session_id() }, "done"),
        (0, refund(60_001), "conflict"),
        (0, refund(60_000), "done"),
    ]);
}

/// An account and its payouts.
#[derive(Default)]
struct Account {
    provider: Option<Provider>,
    payouts: BTreeMap<u32, Payout>,
    gathered: BTreeMap<SessionId, Usdc>,
}

impl Account {
    #[track_caller]
    fn play(&mut self, steps: &[(PayoutCommand, &str)]) -> &mut Self {
        for (n, (command, answer)) in steps.iter().enumerate() {
            let number = command.payout().number;
            let slot = PayoutSlot {
                provider: self.provider.clone(),
                payout: self.payouts.get(&number).cloned(),
                gathered: command.session().and_then(|id| self.gathered.get(id)).copied(),
            };
            let applied = pay_out(slot, command, Timestamp::from_millis(5));
            self.provider = applied.changed.provider.or(self.provider.take());
            self.payouts.extend(applied.changed.payout.map(|row| (number, row)));
            if let (Some(id), Some(gathered)) = (command.session(), applied.changed.gathered) {
                self.gathered.insert(id.clone(), gathered);
            }
            let word = match applied.outcome {
                PayoutOutcome::Done(_) => "done",
                PayoutOutcome::Replayed(_) => "replayed",
                PayoutOutcome::Conflict => "conflict",
                PayoutOutcome::Unknown => "unknown",
            };
            assert_eq!(word, *answer, "step {n}: {command:?}");
        }
        self
    }
}

fn payout(number: u32) -> PayoutId {
    PayoutId { account: ProviderAccount::new(Network::BASE_SEPOLIA, PROVIDER).unwrap(), number }
}

fn gather(number: u32, session: u8, net: u64) -> PayoutCommand {
    let session = format!("{session:08x}-9dc0-4acd-b245-5ffdce74fad2").parse().unwrap();
    let order = PayoutOrder { asset: "0xAa".into(), from: "0xDd".into(), to: PROVIDER.into() };
    PayoutCommand::Gather { payout: payout(number), order, session, net: usdc(net) }
}

fn seal(number: u32, gas: u64) -> PayoutCommand {
    PayoutCommand::Seal { payout: payout(number), gas: usdc(gas) }
}

fn attach_payout(number: u32, made: u32, tx: &str) -> PayoutCommand {
    PayoutCommand::Attach { payout: payout(number), made, attempt: attempt(tx) }
}

fn settle(number: u32) -> PayoutCommand {
    PayoutCommand::Settle { payout: payout(number), landing: landing() }
}

#[test]
fn what_a_session_handed_over_is_gathered_once_whichever_payout_takes_it() {
    let mut account = Account::default();
    account.play(&[
        (gather(2, 1, 10), "conflict"),
        (gather(1, 1, 10), "done"),
        (gather(1, 1, 10), "replayed"),
        (gather(1, 2, 5), "done"),
        (gather(2, 3, 5), "conflict"),
        (seal(1, 15), "conflict"),
        (seal(1, 2), "done"),
        (seal(1, 3), "replayed"),
        // A late repetition, and a late process that hands over more after the seal: the next payout takes the rest.
        (gather(1, 1, 10), "replayed"),
        (gather(1, 2, 9), "conflict"),
        (gather(2, 2, 9), "done"),
        (gather(2, 1, 10), "replayed"),
        (gather(1, 2, 9), "replayed"),
    ]);
    let amounts: Vec<u64> = account.payouts.values().map(|payout| payout.amount().atomic()).collect();
    assert_eq!(amounts, [13, 4]);
    assert_eq!(account.provider, Some(Provider { payouts: 2, gathering: true, gathered: usdc(19) }));
}

#[test]
fn a_payout_is_sent_only_when_sealed_and_by_who_knows_of_all_its_transactions() {
    let mut account = Account::default();
    account.play(&[
        (seal(1, 0), "unknown"),
        (attach_payout(1, 0, "0xa"), "unknown"),
        (settle(1), "unknown"),
        (gather(1, 1, 10), "done"),
        (attach_payout(1, 0, "0xa"), "conflict"),
        (settle(1), "conflict"),
        (seal(1, 0), "done"),
        (attach_payout(1, 1, "0xa"), "conflict"),
        (attach_payout(1, 0, "0xa"), "done"),
        (attach_payout(1, 0, "0xa"), "replayed"),
        (attach_payout(1, 0, "0xb"), "conflict"),
        (attach_payout(1, 1, "0xb"), "done"),
        (settle(1), "done"),
        (settle(1), "replayed"),
        (attach_payout(1, 2, "0xc"), "replayed"),
        (gather(1, 2, 5), "conflict"),
        (gather(2, 2, 5), "done"),
    ]);
    assert_eq!(account.payouts[&1].fate, PayoutFate::Paid(landing()));
    assert_eq!(account.payouts[&1].attempts.len(), 2);
}
