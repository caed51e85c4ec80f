//! `facilitator payouts list` and `run`.

use crate::config::{Chain, File};
use crate::failure::Failure;
use crate::node::RunningNode;
use crate::table::{csv, table, text};
use crate::wiring;
use http::Method;
use serde_json::Value;
use std::time::Duration;
use tollwire_gate::statements;
use tollwire_ledger::model::PayoutFate;
use tollwire_ops::config::Loaded;
use tollwire_ops::console;
use tollwire_settlement::books;
use tollwire_x402::Usdc;

/// How long `run` waits for what it sealed to arrive; the nodes' reconcilers go on after that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lists every payout.
pub(crate) async fn list(file: Loaded<File>, as_csv: bool) -> Result<(), Failure> {
    let payouts = if let Some(node) = RunningNode::find(&file).await? {
        members(&node.ask(Method::GET, "/admin/payouts").await?, "payouts")
    } else {
        let ledger = wiring::ledger(&file).await?;
        statements::payouts(&books::payouts(ledger.as_ref()).await.map_err(Failure::start)?)
    };
    if as_csv {
        console::line(csv(&COLUMNS, &payouts));
    } else if payouts.is_empty() {
        console::line("no provider was paid yet");
    } else {
        console::line(table(&SHOWN, &payouts));
    }
    Ok(())
}

/// Makes a round of payouts and waits for what it sealed.
pub(crate) async fn run(file: Loaded<File>, threshold: Option<Usdc>) -> Result<(), Failure> {
    let round = match RunningNode::find(&file).await? {
        Some(node) => {
            let query =
                threshold.map(|usdc| format!("?threshold={}", usdc.to_string().trim_start_matches('$')));
            node.ask(Method::POST, &format!("/admin/payouts{}", query.unwrap_or_default())).await?
        }
        None if file.value.chain.iter().any(|chain| matches!(chain, Chain::Dev)) => {
            return Err(Failure::Books(
                "the dev chain lives in the node's process: start the node with [admin] and run this again"
                    .into(),
            ));
        }
        None => alone(&file, threshold).await?,
    };
    let sealed = members(&round, "sealed");
    if sealed.is_empty() {
        console::line("nothing to pay: no provider is due the threshold of final funds");
    } else {
        console::line(table(&SHOWN, &sealed));
    }
    let mut problems = Vec::new();
    for short in members(&round, "short") {
        let (network, custody, owed) =
            (text(&short, "network"), text(&short, "custody"), text(&short, "owed"));
        problems.push(format!(
            "{network}: the deposit wallet holds {custody}, owed are {owed} atomic units; nobody was paid there"
        ));
    }
    for failed in members(&round, "failed") {
        problems.push(format!("{}: {}", text(&failed, "network"), text(&failed, "reason")));
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Books(problems.join("; "))) }
}

/// A round by this process, on a store that several processes may use.
async fn alone(file: &Loaded<File>, threshold: Option<Usdc>) -> Result<Value, Failure> {
    let (_ledger, settler) = wiring::settler(file).await?;
    let round = settler.pay_providers(threshold).await.map_err(Failure::start)?;
    let Some(mut round) = round else {
        return Err(Failure::Books("a round of payouts is being made already; try again".into()));
    };
    for (id, payout) in &mut round.sealed {
        *payout = settler.await_payout(id, PATIENCE).await.map_err(Failure::start)?;
        if payout.fate == PayoutFate::Pending {
            console::warning(format!("{id} is under way; the nodes go on with it"));
        }
    }
    settler.drain().await;
    Ok(statements::round(&round))
}

/// The members of an array.
fn members(value: &Value, name: &str) -> Vec<Value> {
    value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// What a person is shown of a payout.
const SHOWN: [&str; 6] = ["account", "number", "state", "amount", "sealed", "transaction"];

/// What a program gets.
const COLUMNS: [&str; 14] = [
    "account",
    "number",
    "network",
    "to",
    "state",
    "gathered",
    "parts",
    "gas_withheld",
    "amount",
    "opened",
    "sealed",
    "transaction",
    "block",
    "gas",
];
