//! `GET /admin/chains`: what each chain's deposit wallet holds and owes, and what its settlement accounts have left.

use crate::gate::Gate;
use crate::http::answer::{Answer, json};
use http::StatusCode;
use serde_json::{Value, json};
use tollwire_settlement::{Chain, Cover, Purse, SettleError};

/// Asks every chain, and adds up what is owed: its cost grows with the number of sessions.
pub(super) async fn list(gate: &Gate) -> Answer {
    let covers = gate.settler.covers().await;
    let mut chains = Vec::new();
    for chain in gate.settler.chains() {
        let network = chain.info().network;
        let cover = covers.iter().find(|(other, _)| *other == network).map(|(_, cover)| cover);
        chains.push(shown(chain.as_ref(), cover).await);
    }
    json(StatusCode::OK, &json!({ "chains": chains }))
}

async fn shown(chain: &dyn Chain, cover: Option<&Result<Cover, SettleError>>) -> Value {
    let info = chain.info();
    // Why a node cannot be asked is for the log.
    let cover = cover.and_then(|cover| cover.as_ref().ok());
    let purses = match chain.purses().await {
        Ok(purses) => Some(purses),
        Err(error) => {
            tracing::warn!(chain = info.claim, %error, "what the settlement accounts have left is unknown");
            None
        }
    };
    let purse = |purse: &Purse| {
        json!({
            "account": purse.account,
            "coin": purse.coin,
            "balance": purse.balance.to_string(),
            "decimals": purse.decimals,
            "low": purse.low,
        })
    };
    json!({
        "network": info.network,
        "chain": info.claim,
        "dev": info.is_dev(),
        "asset": info.asset,
        "deposit_wallet": info.deposit_wallet,
        "custody": cover.map(|cover| cover.custody),
        "owed": cover.map(|cover| cover.owed.to_string()),
        "short": cover.map(Cover::is_short),
        "accounts": chain.signers(),
        "purses": purses.map(|purses| purses.iter().map(purse).collect::<Vec<_>>()),
    })
}
