//! What we ask of a node, typed. A node that fails is [`ChainError::Unavailable`]; a contract that refuses is a
//! value.

use crate::Error;
use crate::rpc::{Answer, Failure, Rpc};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, decode_revert_reason};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_settlement::ChainError;

/// A node.
pub(crate) struct Node {
    rpc: Rpc,
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The newest.
    Latest,
    /// The newest, and what waits to be mined.
    Pending,
    /// By number.
    Number(u64),
}

/// What a call to a contract came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Called {
    /// It returned these bytes.
    Returned(Vec<u8>),
    /// It refused, with this text.
    Reverted(String),
}

/// A block's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// Seconds since the epoch.
    pub(crate) time: u64,
    /// Wei per gas.
    pub(crate) base_fee: u128,
}

/// A mined transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) tx: String,
    pub(crate) block: u64,
    pub(crate) succeeded: bool,
    /// What it cost, in wei, the rollup's share for its data included.
    pub(crate) cost: U256,
    pub(crate) logs: Vec<Log>,
}

/// A contract's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Vec<u8>,
    pub(crate) tx: String,
    pub(crate) block: u64,
}

/// What became of a transaction that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The node has it, now or already before.
    Taken,
    /// Its account nonce is used, or another transaction holds it.
    NonceTaken,
    /// The account cannot pay for it.
    Poor,
}

impl Node {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        Ok(Self { rpc: Rpc::new(url, timeout)? })
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, ChainError> {
        let method = "eth_chainId";
        quantity(method, &self.ask(method, json!([])).await?)
    }

    /// The code at an address; empty for an ordinary account.
    pub(crate) async fn code(&self, at: Address) -> Result<Vec<u8>, ChainError> {
        let method = "eth_getCode";
        bytes(method, &self.ask(method, json!([hex0x(at.as_slice()), "latest"])).await?)
    }

    /// How many transactions an account has sent.
    pub(crate) async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        let method = "eth_getTransactionCount";
        quantity(method, &self.ask(method, json!([hex0x(account.as_slice()), at.param()])).await?)
    }

    pub(crate) async fn block(&self, at: At) -> Result<Block, ChainError> {
        let method = "eth_getBlockByNumber";
        let block = self.ask(method, json!([at.param(), false])).await?;
        let field = |name: &str| quantity(method, block.get(name).unwrap_or(&Value::Null));
        let base_fee = block.get("baseFeePerGas").map_or(Ok(U256::ZERO), |fee| number(method, fee))?;
        Ok(Block {
            number: field("number")?,
            time: field("timestamp")?,
            base_fee: u128::try_from(base_fee).unwrap_or(u128::MAX),
        })
    }

    /// The tip the node thinks gets a transaction into the next blocks, in wei per gas. Zero if it has no opinion.
    pub(crate) async fn tip(&self) -> Result<u128, ChainError> {
        let method = "eth_maxPriorityFeePerGas";
        match self.rpc.call(method, json!([])).await {
            Ok(tip) => number(method, &tip).map(|tip| u128::try_from(tip).unwrap_or(u128::MAX)),
            Err(Failure::Answer(_)) => Ok(0),
            Err(Failure::Silent(text)) => Err(ChainError::Unavailable(text)),
        }
    }

    /// A call that changes nothing, with this much gas.
    pub(crate) async fn simulate(
        &self,
        from: Address,
        to: Address,
        data: &[u8],
        gas: u64,
        at: At,
    ) -> Result<Called, ChainError> {
        let method = "eth_call";
        let call = json!({
            "from": hex0x(from.as_slice()), "to": hex0x(to.as_slice()), "data": hex0x(data), "gas": format!("{gas:#x}"),
        });
        match self.rpc.call(method, json!([call, at.param()])).await {
            Ok(returned) => bytes(method, &returned).map(Called::Returned),
            Err(Failure::Answer(answer)) if answer.is_the_contracts() => {
                Ok(Called::Reverted(answer.revert_text()))
            }
            Err(failure) => Err(unavailable(method, failure)),
        }
    }

    /// Reads from a contract that must answer.
    pub(crate) async fn read<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
        at: At,
    ) -> Result<C::Return, ChainError> {
        let gas = 1_000_000;
        match self.simulate(Address::ZERO, contract, &call.abi_encode(), gas, at).await? {
            Called::Returned(data) => C::abi_decode_returns(&data)
                .map_err(|_| ChainError::Unavailable(format!("{} answered nonsense", C::SIGNATURE))),
            Called::Reverted(text) => {
                Err(ChainError::Unavailable(format!("{} reverted: {text}", C::SIGNATURE)))
            }
        }
    }

    /// `None` while the transaction is not mined.
    pub(crate) async fn receipt(&self, tx: &str) -> Result<Option<Receipt>, ChainError> {
        let method = "eth_getTransactionReceipt";
        let receipt = self.ask(method, json!([tx])).await?;
        if receipt.is_null() { Ok(None) } else { read_receipt(method, tx, &receipt).map(Some) }
    }

    /// Whether the node holds a transaction, mined or not.
    pub(crate) async fn knows(&self, tx: &str) -> Result<bool, ChainError> {
        Ok(!self.ask("eth_getTransactionByHash", json!([tx])).await?.is_null())
    }

    /// Logs of a contract, in blocks `from..=to`; `topics` as in `eth_getLogs`.
    pub(crate) async fn logs(
        &self,
        contract: Address,
        from: u64,
        to: u64,
        topics: Value,
    ) -> Result<Vec<Log>, ChainError> {
        let method = "eth_getLogs";
        let filter = json!([{
            "address": hex0x(contract.as_slice()), "topics": topics,
            "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"),
        }]);
        read_logs(method, &self.ask(method, filter).await?)
    }

    pub(crate) async fn send(&self, raw: &[u8]) -> Result<Sent, ChainError> {
        let method = "eth_sendRawTransaction";
        match self.rpc.call(method, json!([hex0x(raw)])).await {
            Ok(_hash) => Ok(Sent::Taken),
            Err(Failure::Answer(answer)) => {
                answer.sent().ok_or_else(|| unavailable(method, Failure::Answer(answer)))
            }
            Err(failure) => Err(unavailable(method, failure)),
        }
    }

    async fn ask(&self, method: &'static str, params: Value) -> Result<Value, ChainError> {
        self.rpc.call(method, params).await.map_err(|failure| unavailable(method, failure))
    }
}

impl At {
    fn param(self) -> String {
        match self {
            Self::Latest => "latest".into(),
            Self::Pending => "pending".into(),
            Self::Number(number) => format!("{number:#x}"),
        }
    }
}

impl Answer {
    /// Whether the contract refused, and not the node. Only this is ever held against a payment.
    fn is_the_contracts(&self) -> bool {
        let says = |text: &str| self.message.contains(text);
        self.code == 3
            || ["revert", "invalid opcode", "out of gas", "stack ", "invalid jump", "OutOfGas"]
                .into_iter()
                .any(says)
    }

    fn revert_text(self) -> String {
        let reason = self.data.as_deref().and_then(decode_revert_reason);
        let text = reason.unwrap_or(self.message);
        text.trim_start_matches("execution reverted: ").trim_start_matches("revert: ").to_owned()
    }

    /// What nodes say about transactions, in the words of geth, reth, Nethermind, Erigon and anvil.
    fn sent(&self) -> Option<Sent> {
        let text = self.message.to_lowercase();
        let says = |any: &[&str]| any.iter().any(|part| text.contains(part));
        if says(&["already known", "already imported", "known transaction", "alreadyknown"]) {
            Some(Sent::Taken)
        } else if says(&[
            "nonce too low",
            "nonce is too low",
            "oldnonce",
            "replacement",
            "could not replace",
            "nonce has already been used",
        ]) {
            Some(Sent::NonceTaken)
        } else if says(&["insufficient funds"]) {
            Some(Sent::Poor)
        } else {
            None
        }
    }
}

fn unavailable(method: &str, failure: Failure) -> ChainError {
    ChainError::Unavailable(match failure {
        Failure::Silent(text) => text,
        Failure::Answer(answer) => format!("{method}: {} ({})", answer.message, answer.code),
    })
}

fn nonsense(method: &str, what: &str) -> ChainError {
    ChainError::Unavailable(format!("{method}: {what} is missing or malformed"))
}

pub(crate) fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn bytes(method: &str, value: &Value) -> Result<Vec<u8>, ChainError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| nonsense(method, "hexadecimal data"))
}

fn number(method: &str, value: &Value) -> Result<U256, ChainError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| U256::from_str_radix(digits, 16).ok())
        .ok_or_else(|| nonsense(method, "a quantity"))
}

fn quantity(method: &str, value: &Value) -> Result<u64, ChainError> {
    u64::try_from(number(method, value)?).map_err(|_| nonsense(method, "a quantity of 64 bits"))
}

fn read_receipt(method: &str, tx: &str, receipt: &Value) -> Result<Receipt, ChainError> {
    let field = |name: &str| number(method, receipt.get(name).unwrap_or(&Value::Null));
    // Rollups add what the data costs on the settlement chain.
    let data_cost = receipt.get("l1Fee").map_or(Ok(U256::ZERO), |fee| number(method, fee))?;
    let cost = field("gasUsed")?.saturating_mul(field("effectiveGasPrice")?).saturating_add(data_cost);
    Ok(Receipt {
        tx: tx.to_owned(),
        block: quantity(method, receipt.get("blockNumber").unwrap_or(&Value::Null))?,
        succeeded: field("status")? == U256::from(1),
        cost,
        logs: read_logs(method, receipt.get("logs").unwrap_or(&Value::Null))?,
    })
}

fn read_logs(method: &str, logs: &Value) -> Result<Vec<Log>, ChainError> {
    let logs = logs.as_array().ok_or_else(|| nonsense(method, "a list of logs"))?;
    logs.iter().map(|log| read_log(method, log)).collect()
}

fn read_log(method: &str, log: &Value) -> Result<Log, ChainError> {
    let field = |name: &str| log.get(name).unwrap_or(&Value::Null);
    let topic = |topic: &Value| {
        B256::try_from(bytes(method, topic)?.as_slice()).map_err(|_| nonsense(method, "a log's topic"))
    };
    let topics = field("topics").as_array().ok_or_else(|| nonsense(method, "a log's topics"))?;
    let address = bytes(method, field("address"))?;
    Ok(Log {
        address: Address::try_from(address.as_slice()).map_err(|_| nonsense(method, "a log's address"))?,
        topics: topics.iter().map(topic).collect::<Result<_, _>>()?,
        data: bytes(method, field("data"))?,
        tx: hex0x(&bytes(method, field("transactionHash"))?),
        block: quantity(method, field("blockNumber"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i64, message: &str) -> Answer {
        Answer { code, message: message.into(), data: None }
    }

    #[test]
    fn only_the_contracts_refusal_counts_as_one() {
        for (code, message, contracts) in [
            (3, "execution reverted: FiatTokenV2: invalid signature", true),
            (-32000, "execution reverted", true),
            (-32000, "invalid opcode: INVALID", true),
            (-32000, "header not found", false),
            (-32000, "missing trie node", false),
            (-32603, "Internal error", false),
            (-32601, "the method eth_call does not exist", false),
        ] {
            assert_eq!(answer(code, message).is_the_contracts(), contracts, "{message}");
        }
    }

    #[test]
    fn knows_what_nodes_say_of_transactions() {
        for (message, sent) in [
            ("already known", Some(Sent::Taken)),
            ("transaction already imported", Some(Sent::Taken)),
            ("nonce too low: next nonce 5, tx nonce 4", Some(Sent::NonceTaken)),
            ("replacement transaction underpriced", Some(Sent::NonceTaken)),
            ("Insufficient funds for gas * price + value", Some(Sent::Poor)),
            ("txpool is full", None),
        ] {
            assert_eq!(answer(-32000, message).sent(), sent, "{message}");
        }
    }
}
