//! `facilitator ledger balance` and `export`.

use crate::config::File;
use crate::failure::Failure;
use crate::node::RunningNode;
use crate::table::{line, table, text};
use crate::wiring;
use http::Method;
use serde_json::Value;
use tollwire_gate::statements;
use tollwire_ledger::Ledger;
use tollwire_ledger::model::{PayoutFate, ProviderAccount, RefundFate, RefundId, Session};
use tollwire_ops::config::Loaded;
use tollwire_ops::console;
use tollwire_settlement::PayoutTerms;
use tollwire_settlement::books::{self, trial_balance};
use tollwire_settlement::dues::statement;
use tollwire_x402::{SessionId, Usdc};

/// Sessions read at once.
const PAGE: usize = 256;

/// Prints the trial balance of every chain.
pub(crate) async fn balance(file: Loaded<File>) -> Result<(), Failure> {
    let books = if let Some(node) = RunningNode::find(&file).await? {
        node.ask(Method::GET, "/admin/ledger/balance").await?
    } else {
        let (ledger, settler) = wiring::settler(&file).await?;
        let books = trial_balance(ledger.as_ref(), settler.payout_terms()).await.map_err(Failure::start)?;
        statements::balance(&books, &settler.covers().await)
    };
    let chains = books.get("chains").and_then(Value::as_object);
    for (network, chain) in chains.into_iter().flatten() {
        let accounts = chain.get("accounts").and_then(Value::as_array).cloned().unwrap_or_default();
        console::line(format!(
            "{network}\n{}",
            table(&["account", "debit", "credit", "balance", "stated"], &accounts)
        ));
        let (difference, unexplained) = (text(chain, "difference"), text(chain, "unexplained"));
        let (on_chain, owed) = (text(chain, "custody_on_chain"), text(chain, "owed"));
        console::line(format!(
            "difference {difference}, unexplained {unexplained}; on chain {on_chain}, owed {owed}\n"
        ));
    }
    if books.get("zero").and_then(Value::as_bool) == Some(true) {
        console::line("The trial balance is zero.");
        return Ok(());
    }
    Err(Failure::Books("the trial balance is not zero".into()))
}

/// What a line of the export tells; amounts in atomic units.
const COLUMNS: [&str; 17] = [
    "kind",
    "id",
    "network",
    "feed",
    "payer",
    "provider",
    "state",
    "deposited",
    "provider_net",
    "handed",
    "gathered",
    "fee",
    "gas",
    "refunded",
    "withheld",
    "unspent",
    "transaction",
];

/// Prints where every atomic unit is: per session, per refund, per payout.
pub(crate) async fn export(file: Loaded<File>) -> Result<(), Failure> {
    let (ledger, terms) = (wiring::ledger(&file).await?, wiring::payout_terms(&file)?);
    let ledger = ledger.as_ref();
    console::line(COLUMNS.join(","));
    let mut after = None;
    loop {
        let page = ledger.sessions(after.as_ref(), PAGE).await.map_err(Failure::start)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (id, session) in &page {
            console::line(session_line(ledger, id, session, &terms).await?);
            for number in 1..=session.refunds {
                let id = RefundId { session: id.clone(), number };
                if let Some(line) = refund_line(ledger, &id, session).await? {
                    console::line(line);
                }
            }
        }
    }
    for (id, payout) in books::payouts(ledger).await.map_err(Failure::start)? {
        let (state, tx) = match &payout.fate {
            PayoutFate::Gathering => ("gathering", ""),
            PayoutFate::Pending => ("pending", ""),
            PayoutFate::Paid(landing) => ("paid", landing.tx.as_str()),
        };
        console::line(row(&[
            ("kind", "payout"),
            ("id", &id.to_string()),
            ("network", &id.account.network().to_string()),
            ("provider", &payout.order.to),
            ("state", state),
            ("provider_net", &atomic(payout.amount())),
            ("gathered", &atomic(payout.gathered)),
            ("withheld", &atomic(payout.gas)),
            ("transaction", tx),
        ]));
    }
    Ok(())
}

async fn session_line(
    ledger: &dyn Ledger,
    id: &SessionId,
    session: &Session,
    terms: &PayoutTerms,
) -> Result<String, Failure> {
    let shares = statement(session, terms.fee_bps, terms.unspent);
    let shares =
        shares.ok_or_else(|| Failure::Books(format!("session {id}: its numbers contradict each other")))?;
    let provider = session.provider.clone().unwrap_or_default();
    let gathered = match ProviderAccount::new(session.network, &provider) {
        Ok(account) => {
            let gathered = ledger.gathered(&account, vec![id.clone()]).await.map_err(Failure::start)?;
            gathered.first().copied().unwrap_or_default()
        }
        Err(_) => Usdc::ZERO,
    };
    Ok(row(&[
        ("kind", "session"),
        ("id", id.as_str()),
        ("network", &session.network.to_string()),
        ("feed", session.feed.as_str()),
        ("payer", &session.payer),
        ("provider", &provider),
        ("state", if session.closed { "closed" } else { "open" }),
        ("deposited", &atomic(shares.deposited)),
        ("provider_net", &atomic(shares.provider_net)),
        ("handed", &atomic(shares.handed)),
        ("gathered", &atomic(gathered)),
        ("fee", &atomic(shares.fee)),
        ("gas", &atomic(shares.gas)),
        ("refunded", &atomic(shares.refunded)),
        ("withheld", &atomic(shares.refund_gas)),
        ("unspent", &atomic(shares.unspent)),
    ]))
}

async fn refund_line(
    ledger: &dyn Ledger,
    id: &RefundId,
    session: &Session,
) -> Result<Option<String>, Failure> {
    let Some(refund) = ledger.refund(id).await.map_err(Failure::start)? else { return Ok(None) };
    let (state, tx) = match &refund.fate {
        RefundFate::Pending => ("pending", ""),
        RefundFate::Nothing => ("nothing", ""),
        RefundFate::Paid(landing) => ("paid", landing.tx.as_str()),
    };
    Ok(Some(row(&[
        ("kind", "refund"),
        ("id", &id.to_string()),
        ("network", &refund.order.network.to_string()),
        ("feed", session.feed.as_str()),
        ("payer", &refund.order.to),
        ("state", state),
        ("refunded", &atomic(refund.order.amount())),
        ("withheld", &atomic(refund.order.gas)),
        ("transaction", tx),
    ])))
}

fn atomic(amount: Usdc) -> String {
    amount.atomic().to_string()
}

/// A line with these cells, the others empty.
fn row(cells: &[(&str, &str)]) -> String {
    let cell = |column: &&str| {
        let found = cells.iter().find(|(name, _)| name == column);
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    };
    line(COLUMNS.iter().map(cell))
}
