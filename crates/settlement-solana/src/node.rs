//! What we ask of a node, typed. A node that fails is [`ChainError::Unavailable`]; what it says of a transaction is a
//! value.

use crate::Error;
use crate::rpc::{Failure, Rpc};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use solana_rpc_client_api::request::RpcRequest;
use std::time::Duration;
use tollwire_settlement::ChainError;

/// How much of a failed simulation's log is told, in characters.
const LOG_CHARS_MAX: usize = 160;

/// A node.
pub(crate) struct Node {
    rpc: Rpc,
}

/// How sure the cluster must be of what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The node has seen it.
    Processed,
    /// Two thirds of the stake voted for it.
    Confirmed,
    /// It can no longer be taken back.
    Finalized,
}

/// An account, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) lamports: u64,
    pub(crate) data: Vec<u8>,
}

/// A blockhash, and the last block height at which it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blockhash {
    pub(crate) text: String,
    pub(crate) last_height: u64,
}

/// The end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) height: u64,
    pub(crate) slot: u64,
}

/// What a transaction would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Simulated {
    /// Its instructions succeed.
    Passed,
    /// It fails, for this reason.
    Failed(String),
    /// Its fee payer cannot pay.
    Poor,
}

/// What became of a transaction that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The node passes it on, or has it on chain already.
    Taken,
    /// Its blockhash is not known, or no longer.
    Stale,
    /// Its fee payer cannot pay.
    Poor,
}

/// Where a signature stands, and the slot that the node stood at when it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) seen_at: u64,
    pub(crate) found: Option<Found>,
}

/// A transaction on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) slot: u64,
    pub(crate) level: Level,
    pub(crate) failed: bool,
}

/// What a transaction on chain did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) slot: u64,
    pub(crate) failed: bool,
    /// What its fee payer was charged, in lamports.
    pub(crate) fee: u64,
    /// Tokens of the accounts it names, before and after: account's position, mint, atomic units.
    pub(crate) before: Vec<(u64, String, u64)>,
    pub(crate) after: Vec<(u64, String, u64)>,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Confirmed => "confirmed",
            Self::Finalized => "finalized",
        }
    }

    fn config(self) -> Value {
        json!({ "commitment": self.as_str() })
    }
}

impl Landed {
    /// By how much an account's tokens of a mint grew.
    pub(crate) fn gain(&self, position: u64, mint: &str) -> Option<u64> {
        let of = |list: &[(u64, String, u64)]| {
            list.iter().find(|(at, token, _)| *at == position && token == mint).map(|(.., amount)| *amount)
        };
        of(&self.after)?.checked_sub(of(&self.before).unwrap_or(0))
    }
}

impl Node {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        Ok(Self { rpc: Rpc::new(url, timeout)? })
    }

    pub(crate) async fn genesis(&self) -> Result<String, ChainError> {
        let request = RpcRequest::GetGenesisHash;
        text(request, &self.ask(request, json!([])).await?)
    }

    pub(crate) async fn account(&self, address: &str) -> Result<Option<Account>, ChainError> {
        let request = RpcRequest::GetAccountInfo;
        let params = json!([address, { "encoding": "base64", "commitment": "confirmed" }]);
        let answer = self.ask(request, params).await?;
        let account = value(request, &answer)?;
        if account.is_null() {
            return Ok(None);
        }
        let data = text(request, account.pointer("/data/0").unwrap_or(&Value::Null))?;
        Ok(Some(Account {
            owner: text(request, field(account, "owner"))?,
            lamports: number(request, field(account, "lamports"))?,
            data: STANDARD.decode(data).map_err(|_| nonsense(request))?,
        }))
    }

    pub(crate) async fn balance(&self, address: &str) -> Result<u64, ChainError> {
        let request = RpcRequest::GetBalance;
        let answer = self.ask(request, json!([address, Level::Processed.config()])).await?;
        number(request, value(request, &answer)?)
    }

    /// Lamports that an account of this many bytes must hold.
    pub(crate) async fn rent(&self, bytes: usize) -> Result<u64, ChainError> {
        let request = RpcRequest::GetMinimumBalanceForRentExemption;
        number(request, &self.ask(request, json!([bytes])).await?)
    }

    pub(crate) async fn latest_blockhash(&self) -> Result<Blockhash, ChainError> {
        let request = RpcRequest::GetLatestBlockhash;
        let answer = self.ask(request, json!([Level::Confirmed.config()])).await?;
        let latest = value(request, &answer)?;
        Ok(Blockhash {
            text: text(request, field(latest, "blockhash"))?,
            last_height: number(request, field(latest, "lastValidBlockHeight"))?,
        })
    }

    /// Whether a blockhash is still taken. False also for one that the node has not heard of yet.
    pub(crate) async fn is_valid(&self, blockhash: &str, level: Level) -> Result<bool, ChainError> {
        let request = RpcRequest::IsBlockhashValid;
        let answer = self.ask(request, json!([blockhash, level.config()])).await?;
        value(request, &answer)?.as_bool().ok_or_else(|| nonsense(request))
    }

    /// The newest block of this level: height and slot of one moment, as two answers could come from two nodes.
    pub(crate) async fn head(&self, level: Level) -> Result<Head, ChainError> {
        let request = RpcRequest::GetEpochInfo;
        let info = self.ask(request, json!([level.config()])).await?;
        Ok(Head {
            height: number(request, field(&info, "blockHeight"))?,
            slot: number(request, field(&info, "absoluteSlot"))?,
        })
    }

    /// What a transaction would do now, and the slot at which. Its signatures are not looked at, its blockhash is.
    pub(crate) async fn simulate(&self, transaction: &[u8]) -> Result<(Simulated, u64), ChainError> {
        let request = RpcRequest::SimulateTransaction;
        let config = json!({
            "encoding": "base64", "sigVerify": false, "replaceRecentBlockhash": false, "commitment": "processed",
        });
        let answer = self.ask(request, json!([STANDARD.encode(transaction), config])).await?;
        let slot = number(request, answer.pointer("/context/slot").unwrap_or(&Value::Null))?;
        Ok((read_simulation(value(request, &answer)?), slot))
    }

    /// Passes a signed transaction on, without looking at it once more.
    pub(crate) async fn send(&self, transaction: &[u8]) -> Result<Sent, ChainError> {
        let request = RpcRequest::SendTransaction;
        let config = json!({ "encoding": "base64", "skipPreflight": true });
        match self.rpc.call(request, json!([STANDARD.encode(transaction), config])).await {
            Ok(_signature) => Ok(Sent::Taken),
            Err(Failure::Answer { code, message }) => {
                sent(&message).ok_or_else(|| unavailable(request, Failure::Answer { code, message }))
            }
            Err(failure) => Err(unavailable(request, failure)),
        }
    }

    /// Where a signature stands; `history`: by all that the cluster remembers, not only the last minutes.
    pub(crate) async fn status(&self, signature: &str, history: bool) -> Result<Status, ChainError> {
        let request = RpcRequest::GetSignatureStatuses;
        let params = json!([[signature], { "searchTransactionHistory": history }]);
        let answer = self.ask(request, params).await?;
        let seen_at = number(request, answer.pointer("/context/slot").unwrap_or(&Value::Null))?;
        let status = value(request, &answer)?.get(0).ok_or_else(|| nonsense(request))?;
        if status.is_null() {
            return Ok(Status { seen_at, found: None });
        }
        let level = match field(status, "confirmationStatus").as_str() {
            Some("finalized") => Level::Finalized,
            Some("confirmed") => Level::Confirmed,
            _ => Level::Processed,
        };
        let slot = number(request, field(status, "slot"))?;
        let failed = !field(status, "err").is_null();
        Ok(Status { seen_at, found: Some(Found { slot, level, failed }) })
    }

    /// What a transaction did, once it is as sure as this; `None` until the node can say.
    pub(crate) async fn landed(&self, signature: &str, level: Level) -> Result<Option<Landed>, ChainError> {
        let request = RpcRequest::GetTransaction;
        let config = json!({
            "encoding": "base64", "commitment": level.as_str(), "maxSupportedTransactionVersion": 0,
        });
        let answer = self.ask(request, json!([signature, config])).await?;
        let meta = field(&answer, "meta");
        if answer.is_null() || meta.is_null() {
            return Ok(None);
        }
        Ok(Some(Landed {
            slot: number(request, field(&answer, "slot"))?,
            failed: !field(meta, "err").is_null(),
            fee: number(request, field(meta, "fee"))?,
            before: read_tokens(request, field(meta, "preTokenBalances"))?,
            after: read_tokens(request, field(meta, "postTokenBalances"))?,
        }))
    }

    /// When a slot's block was made, in seconds since the epoch.
    pub(crate) async fn block_time(&self, slot: u64) -> Result<Option<u64>, ChainError> {
        let request = RpcRequest::GetBlockTime;
        Ok(self.ask(request, json!([slot])).await?.as_u64())
    }

    async fn ask(&self, request: RpcRequest, params: Value) -> Result<Value, ChainError> {
        self.rpc.call(request, params).await.map_err(|failure| unavailable(request, failure))
    }
}

/// What nodes say about transactions, in the words of Agave.
fn sent(message: &str) -> Option<Sent> {
    let text = message.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| text.contains(part));
    if says(&["already been processed", "alreadyprocessed"]) {
        Some(Sent::Taken)
    } else if says(&["blockhash not found", "blockhashnotfound"]) {
        Some(Sent::Stale)
    } else if says(&["insufficient funds for fee", "insufficientfundsforfee", "no record of a prior credit"])
    {
        Some(Sent::Poor)
    } else {
        None
    }
}

fn read_simulation(outcome: &Value) -> Simulated {
    let error = field(outcome, "err");
    if error.is_null() {
        return Simulated::Passed;
    }
    // The first account is the fee payer; it is the only one that pays for anything but tokens.
    let rent = error.pointer("/InsufficientFundsForRent/account_index").and_then(Value::as_u64);
    if matches!(error.as_str(), Some("InsufficientFundsForFee" | "AccountNotFound")) || rent == Some(0) {
        return Simulated::Poor;
    }
    let log = field(outcome, "logs").as_array().and_then(|log| {
        let mut lines = log.iter().filter_map(Value::as_str);
        lines.find(|line| line.contains("Error:"))
    });
    let text = match (error.as_str(), log) {
        (Some("BlockhashNotFound"), _) => {
            "its blockhash is unknown or too old; sign with a fresh one".to_owned()
        }
        (Some("AlreadyProcessed"), _) => "it was settled before".to_owned(),
        (_, Some(log)) => format!("{error}: {log}"),
        (_, None) => error.to_string(),
    };
    Simulated::Failed(text.chars().take(LOG_CHARS_MAX).collect())
}

fn read_tokens(request: RpcRequest, list: &Value) -> Result<Vec<(u64, String, u64)>, ChainError> {
    let entries = list.as_array().ok_or_else(|| nonsense(request))?;
    let read = |entry: &Value| {
        let amount = entry.pointer("/uiTokenAmount/amount").and_then(Value::as_str)?.parse().ok()?;
        Some((field(entry, "accountIndex").as_u64()?, field(entry, "mint").as_str()?.to_owned(), amount))
    };
    entries.iter().map(|entry| read(entry).ok_or_else(|| nonsense(request))).collect()
}

fn unavailable(request: RpcRequest, failure: Failure) -> ChainError {
    ChainError::Unavailable(match failure {
        Failure::Silent(text) => text,
        Failure::Answer { code, message } => format!("{request}: {message} ({code})"),
    })
}

fn nonsense(request: RpcRequest) -> ChainError {
    ChainError::Unavailable(format!("{request}: the answer is malformed"))
}

fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

/// The `value` beside the context of an answer.
fn value(request: RpcRequest, answer: &Value) -> Result<&Value, ChainError> {
    answer.get("value").ok_or_else(|| nonsense(request))
}

fn text(request: RpcRequest, value: &Value) -> Result<String, ChainError> {
    value.as_str().map(str::to_owned).ok_or_else(|| nonsense(request))
}

fn number(request: RpcRequest, value: &Value) -> Result<u64, ChainError> {
    value.as_u64().ok_or_else(|| nonsense(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulations_failure_is_the_payments_or_ours() {
        for (outcome, simulated) in [
            (json!({"err": null}), Simulated::Passed),
            (json!({"err": "InsufficientFundsForFee"}), Simulated::Poor),
            (json!({"err": "AccountNotFound"}), Simulated::Poor),
            (json!({"err": {"InsufficientFundsForRent": {"account_index": 0}}}), Simulated::Poor),
            (
                json!({"err": {"InstructionError": [2, {"Custom": 1}]}, "logs": ["a", "Program log: Error: no", "b"]}),
                Simulated::Failed(r#"{"InstructionError":[2,{"Custom":1}]}: Program log: Error: no"#.into()),
            ),
            (json!({"err": "AlreadyProcessed"}), Simulated::Failed("it was settled before".into())),
        ] {
            assert_eq!(read_simulation(&outcome), simulated, "{outcome}");
        }
    }

    #[test]
    fn what_a_node_says_of_a_transaction_is_understood() {
        for (message, outcome) in [
            ("Transaction simulation failed: This transaction has already been processed", Some(Sent::Taken)),
            ("Blockhash not found", Some(Sent::Stale)),
            ("Attempt to debit an account but found no record of a prior credit.", Some(Sent::Poor)),
            ("Node is behind by 42 slots", None),
        ] {
            assert_eq!(sent(message), outcome, "{message}");
        }
    }

    #[test]
    fn a_gain_is_reckoned_for_one_account_and_mint() {
        let landed = Landed {
            slot: 1,
            failed: false,
            fee: 1,
            before: vec![(2, "usdc".into(), 5)],
            after: vec![(2, "usdc".into(), 15), (3, "usdc".into(), 7), (2, "other".into(), 99)],
        };
        assert_eq!((landed.gain(2, "usdc"), landed.gain(3, "usdc")), (Some(10), Some(7)));
        assert_eq!((landed.gain(4, "usdc"), landed.gain(3, "other")), (None, None));
    }
}
