//! The books at the end: where every atomic unit went.

use super::demo;
use crate::dev::DevNode;
use crate::failure::Failure;
use crate::say;
use tollwire_client::Payer;
use tollwire_settlement::Chain as _;
use tollwire_settlement::dues::{Unspent, statement};
use tollwire_x402::{SessionId, Usdc};

/// The facilitator's fee in the demo: one percent.
const FEE_BPS: u16 = 100;

/// Prints the sums and fails if they do not balance to the last atomic unit.
pub(super) async fn show(
    node: &DevNode,
    payer: &Payer,
    before: Usdc,
    sessions: &[SessionId],
) -> Result<(), Failure> {
    let [mut paid, mut provider, mut fee, mut gas, mut unspent] = [Usdc::ZERO; 5];
    for id in sessions {
        let session = node.ledger.session(id).await.map_err(demo)?;
        let session = session.ok_or_else(|| Failure::Demo("a paid session is unknown".into()))?;
        let books = statement(&session, FEE_BPS, Unspent::Refund);
        let books = books.ok_or_else(|| Failure::Demo("a session's numbers contradict each other".into()))?;
        paid = sum(paid, books.deposited)?;
        provider = sum(provider, books.provider_net)?;
        fee = sum(fee, books.fee)?;
        gas = sum(gas, books.gas)?;
        unspent = sum(unspent, books.unspent)?;
    }
    let spent = before.checked_sub(node.chain.balance_of(&payer.address()));
    say::line("\nThe books, in USDC:");
    for (name, amount) in [
        ("agent paid", paid),
        ("provider net", provider),
        ("fee (1 %)", fee),
        ("gas", gas),
        ("unspent", unspent),
    ] {
        say::line(format!("  {name:<14}{:>12}", amount.to_string()));
    }
    let all = [fee, gas, unspent].into_iter().try_fold(provider, sum)?;
    if all != paid || spent != Some(paid) {
        return Err(Failure::Demo(format!("paid {paid}, accounted for {all}, left the wallet {spent:?}")));
    }
    let held = node.chain.balance_of(&node.chain.info().deposit_wallet);
    say::line(format!(
        "  agent paid = provider net + fee + gas + unspent, to the last atomic unit; the chain holds {held} in the deposit wallet"
    ));
    if held == paid { Ok(()) } else { Err(Failure::Demo("the chain and the ledger disagree".into())) }
}

fn sum(a: Usdc, b: Usdc) -> Result<Usdc, Failure> {
    a.checked_add(b).ok_or_else(|| Failure::Demo("the sums overflow".into()))
}
