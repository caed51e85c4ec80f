//! Hand-overs and payouts in random plans: commands that are right, and commands with one thing wrong.

use super::{attach, session, usdc};
use proptest::prelude::*;
use tollwire_ledger::model::{
    HandOver, Handed, Landing, Payout, PayoutId, PayoutOrder, Provider, ProviderAccount, Session,
};
use tollwire_ledger::{Command, Ledger, PayoutCommand};
use tollwire_x402::{Network, Usdc};

/// Accounts that plans use.
pub const ACCOUNTS: u64 = 2;

pub fn account(n: u64) -> ProviderAccount {
    let wallet = if n == 0 { "0xProvider" } else { "0xOther" };
    ProviderAccount::new(Network::BASE_SEPOLIA, wallet).unwrap()
}

pub fn payout(account_n: u64, number: u32) -> PayoutId {
    PayoutId { account: account(account_n), number }
}

pub fn order(to: &str) -> PayoutOrder {
    PayoutOrder { asset: "0xUSDC".into(), from: "0xPayee".into(), to: to.into() }
}

/// Some of what a session has earned, with one thing wrong where `rare` says so.
pub fn hand_over(n: u64, row: Option<&Session>, rare: u8) -> Command {
    let old = row.map(|row| row.handed).unwrap_or_default();
    let earned = row.map_or(1, |row| row.captured.saturating_add(row.expired).saturating_sub(old.units));
    let units = earned.min(1 + u64::from(rare) / 4);
    let money = row.map_or(0, |row| row.deposited.atomic() - row.returned.atomic() - old.value.atomic());
    let value = money / 3;
    let gas = row.map_or(0, |row| row.gas.atomic() - old.gas.atomic()).min(value / 2);
    let fee = value / 100;
    let add = |sum: Usdc, more: u64| usdc(sum.atomic() + more);
    let mut due = HandOver {
        from: old.units,
        to: Handed {
            units: old.units + units,
            value: add(old.value, value),
            fee: add(old.fee, fee),
            gas: add(old.gas, gas),
            net: add(old.net, value - fee - gas),
        },
        bought: row.map_or(1, |row| row.bought),
        refunds: row.map_or(0, |row| row.refunds),
        network: Network::BASE_SEPOLIA,
        provider: "0xProvider".into(),
    };
    match rare {
        0 => due.from += 1,
        1 => due.to.units += earned,
        2 => due.to.value = add(due.to.value, 1),
        3 => due.bought += 1,
        4 => due.refunds += 1,
        5 => due.provider = "0xprovider".into(),
        6 => due.network = Network::BASE,
        7 => due.to.gas = add(due.to.gas, 10_000),
        8 => (due.to.value, due.to.net) = (Usdc::MAX, Usdc::MAX),
        9 => due.to.units = old.units,
        _ => {}
    }
    Command::HandOver { session: session(n), due: Box::new(due) }
}

/// What a session has handed over, or any other amount.
#[derive(Debug, Clone, Copy)]
pub enum Net {
    AsHanded,
    Exactly(u64),
}

#[derive(Debug, Clone)]
pub enum Paying {
    Gather { account: u64, number: Option<u32>, session: u64, net: Net, to: &'static str },
    Plain(PayoutCommand),
}

/// A command of an account.
pub fn paying(sessions: u64) -> impl Strategy<Value = Paying> {
    let number = prop_oneof![5 => Just(None), 1 => (0..4_u32).prop_map(Some)];
    let net = prop_oneof![
        4 => Just(Net::AsHanded),
        2 => (0..20_000_u64).prop_map(Net::Exactly),
        1 => Just(Net::Exactly((1 << 53) - 1)),
    ];
    let to = prop_oneof![8 => Just("0xProvider"), 1 => Just("0xOther")];
    let gather = (0..ACCOUNTS, number, 0..sessions, net, to)
        .prop_map(|(account, number, session, net, to)| Paying::Gather { account, number, session, net, to });
    let of = || (0..ACCOUNTS, 1..4_u32).prop_map(|(n, number)| payout(n, number));
    let gas = prop_oneof![3 => Just(0_u64), 2 => 0..9_000_u64];
    let sealing = (of(), gas).prop_map(|(payout, gas)| PayoutCommand::Seal { payout, gas: usdc(gas) });
    let attach = (of(), 0..3_u32, 0..4_u64).prop_map(|(payout, made, tx)| {
        let Command::Attach { attempt, .. } = attach(0, 0, tx) else { unreachable!() };
        PayoutCommand::Attach { payout, made, attempt }
    });
    let arrive = of().prop_map(|payout| {
        let landing = Landing { tx: "0x03".into(), block: 79, gas: usdc(700) };
        PayoutCommand::Settle { payout, landing }
    });
    prop_oneof![
        6 => gather,
        3 => sealing.prop_map(Paying::Plain),
        3 => attach.prop_map(Paying::Plain),
        1 => arrive.prop_map(Paying::Plain),
    ]
}

/// The command of a step, as things stand in a store.
pub async fn command(ledger: &dyn Ledger, paying: &Paying) -> PayoutCommand {
    match paying {
        Paying::Plain(command) => command.clone(),
        Paying::Gather { account: n, number, session: s, net, to } => {
            let row = ledger.provider(&account(*n)).await.unwrap().unwrap_or_default();
            let next = row.payouts + u32::from(!row.gathering);
            let handed = ledger.session(&session(*s)).await.unwrap().map(|row| row.handed.net);
            let gathered = match net {
                Net::AsHanded => handed.unwrap_or_default(),
                Net::Exactly(atomic) => usdc(*atomic),
            };
            let payout = payout(*n, number.unwrap_or(next));
            PayoutCommand::Gather { payout, order: order(to), session: session(*s), net: gathered }
        }
    }
}

/// Everything a store can show of the accounts that plans use.
#[derive(Debug, PartialEq)]
pub struct Accounts {
    providers: Vec<Option<Provider>>,
    listed: Vec<(ProviderAccount, Provider)>,
    paged: Vec<ProviderAccount>,
    payouts: Vec<Option<Payout>>,
    in_doubt: Vec<(PayoutId, Payout)>,
    in_doubt_paged: Vec<PayoutId>,
    gathered: Vec<Vec<Usdc>>,
}

/// Reads it all.
pub async fn show(ledger: &dyn Ledger, sessions: u64) -> Accounts {
    let (mut providers, mut payouts, mut gathered) = (vec![], vec![], vec![]);
    for n in 0..ACCOUNTS {
        providers.push(ledger.provider(&account(n)).await.unwrap());
        for number in 1..5 {
            payouts.push(ledger.payout(&payout(n, number)).await.unwrap());
        }
        let all = (0..sessions).map(session).collect();
        gathered.push(ledger.gathered(&account(n), all).await.unwrap());
    }
    let mut paged = Vec::new();
    while let Some((account, _)) = ledger.providers(paged.last(), 1).await.unwrap().pop() {
        paged.push(account);
    }
    let mut in_doubt_paged = Vec::new();
    while let Some((id, _)) = ledger.payouts_in_doubt(in_doubt_paged.last(), 1).await.unwrap().pop() {
        in_doubt_paged.push(id);
    }
    Accounts {
        providers,
        listed: ledger.providers(None, 100).await.unwrap(),
        paged,
        payouts,
        in_doubt: ledger.payouts_in_doubt(None, 100).await.unwrap(),
        in_doubt_paged,
        gathered,
    }
}
