//! The books at the end: where every atomic unit went.

use super::account::Account;
use super::demo;
use crate::dev::DevNode;
use crate::failure::Failure;
use std::time::Duration;
use tollwire_ledger::model::Session;
use tollwire_ops::console;
use tollwire_settlement::Chain as _;
use tollwire_settlement::dues::{Unspent, statement};
use tollwire_x402::{SessionId, Usdc};

/// The facilitator's fee in the demo: one percent.
const FEE_BPS: u16 = 100;

/// How long the last stream may take to tell the ledger that it has ended, and how often that is asked.
const SETTLED_WITHIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(20));

/// Prints the sums and fails if they do not balance to the last atomic unit.
pub(super) async fn show(node: &DevNode, accounts: &[Account]) -> Result<(), Failure> {
    let [mut paid, mut provider, mut fee, mut gas, mut unspent] = [Usdc::ZERO; 5];
    for id in accounts.iter().flat_map(|account| &account.sessions) {
        let session = settled(node, id).await?;
        let books = statement(&session, FEE_BPS, Unspent::Refund);
        let books = books.ok_or_else(|| Failure::Demo("a session's numbers contradict each other".into()))?;
        paid = sum(paid, books.deposited)?;
        provider = sum(provider, books.provider_net)?;
        fee = sum(fee, books.fee)?;
        gas = sum(gas, books.gas)?;
        unspent = sum(unspent, books.unspent)?;
    }
    let mut spent = Usdc::ZERO;
    for Account { payer, before, .. } in accounts {
        let gone = before.checked_sub(node.chain.balance_of(&payer.address()));
        spent = sum(spent, gone.ok_or_else(|| Failure::Demo("a wallet has grown".into()))?)?;
    }
    console::line("\nThe books, in USDC:");
    for (name, amount) in [
        ("agents paid", paid),
        ("provider net", provider),
        ("fee (1 %)", fee),
        ("gas", gas),
        ("unspent", unspent),
    ] {
        console::line(format!("  {name:<14}{:>12}", amount.to_string()));
    }
    let all = [fee, gas, unspent].into_iter().try_fold(provider, sum)?;
    if all != paid || spent != paid {
        return Err(Failure::Demo(format!("paid {paid}, accounted for {all}, left the wallets {spent}")));
    }
    let held = node.chain.balance_of(&node.chain.info().deposit_wallet);
    console::line(format!(
        "  agents paid = provider net + fee + gas + unspent, to the last atomic unit; the chain holds {held} in the deposit wallet"
    ));
    if held == paid { Ok(()) } else { Err(Failure::Demo("the chain and the ledger disagree".into())) }
}

/// A session as it stands when no stream of it is live any more.
async fn settled(node: &DevNode, id: &SessionId) -> Result<Session, Failure> {
    let (patience, pause) = SETTLED_WITHIN;
    let told = async {
        loop {
            let session = node.ledger.session(id).await.map_err(demo)?;
            let session = session.ok_or_else(|| Failure::Demo("a paid session is unknown".into()))?;
            if session.live.is_empty() {
                return Ok(session);
            }
            tokio::time::sleep(pause).await;
        }
    };
    let late = |_| Failure::Demo("a stream that has ended is still live in the ledger".into());
    tokio::time::timeout(patience, told).await.map_err(late)?
}

fn sum(a: Usdc, b: Usdc) -> Result<Usdc, Failure> {
    a.checked_add(b).ok_or_else(|| Failure::Demo("the sums overflow".into()))
}
