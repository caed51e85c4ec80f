//! Reading a node's answers, and its words for what went wrong.

use super::{Block, Called, Log, Receipt, Sent};
use crate::rpc::{Answer, Failure};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::decode_revert_reason;
use serde_json::Value;
use tollwire_settlement::ChainError;

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

pub(super) fn unavailable(method: &str, failure: Failure) -> ChainError {
    ChainError::Unavailable(match failure {
        Failure::Silent(text) => text,
        Failure::Answer(answer) => format!("{method}: {} ({})", answer.message, answer.code),
    })
}

fn nonsense(method: &str, what: &str) -> ChainError {
    ChainError::Unavailable(format!("{method}: {what} is missing or malformed"))
}

/// What a call of a contract came to.
pub(super) fn called(method: &str, told: Result<Value, Failure>) -> Result<Called, ChainError> {
    match told {
        Ok(returned) => bytes(method, &returned).map(Called::Returned),
        Err(Failure::Answer(answer)) if answer.is_the_contracts() => {
            Ok(Called::Reverted(answer.revert_text()))
        }
        Err(failure) => Err(unavailable(method, failure)),
    }
}

/// What became of a transaction that was handed over.
pub(super) fn sent(method: &str, told: Result<Value, Failure>) -> Result<Sent, ChainError> {
    match told {
        Ok(_hash) => Ok(Sent::Taken),
        Err(Failure::Answer(answer)) => {
            answer.sent().ok_or_else(|| unavailable(method, Failure::Answer(answer)))
        }
        Err(failure) => Err(unavailable(method, failure)),
    }
}

/// The head of a block.
pub(super) fn block(method: &str, block: &Value) -> Result<Block, ChainError> {
    let field = |name: &str| quantity(method, block.get(name).unwrap_or(&Value::Null));
    let base_fee = block.get("baseFeePerGas").map_or(Ok(U256::ZERO), |fee| number(method, fee))?;
    Ok(Block {
        number: field("number")?,
        time: field("timestamp")?,
        base_fee: u128::try_from(base_fee).unwrap_or(u128::MAX),
    })
}

/// A tip; zero from a node that has no opinion.
pub(super) fn tip(method: &str, told: Result<Value, Failure>) -> Result<u128, ChainError> {
    match told {
        Ok(tip) => number(method, &tip).map(|tip| u128::try_from(tip).unwrap_or(u128::MAX)),
        Err(Failure::Answer(_)) => Ok(0),
        Err(failure) => Err(unavailable(method, failure)),
    }
}

pub(super) fn address(method: &str, value: &Value) -> Result<Address, ChainError> {
    let bytes = bytes(method, value)?;
    Address::try_from(bytes.as_slice()).map_err(|_| nonsense(method, "an address"))
}

pub(crate) fn hex0x(bytes: &[u8]) -> String {
    let mut text = vec![b'0'; bytes.len().saturating_mul(2).saturating_add(2)];
    if let [_, x, digits @ ..] = text.as_mut_slice() {
        *x = b'x';
        // As long as it has to be.
        let _cannot_fail = hex::encode_to_slice(bytes, digits);
    }
    String::from_utf8(text).unwrap_or_default()
}

pub(super) fn bytes(method: &str, value: &Value) -> Result<Vec<u8>, ChainError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| nonsense(method, "hexadecimal data"))
}

pub(super) fn number(method: &str, value: &Value) -> Result<U256, ChainError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| U256::from_str_radix(digits, 16).ok())
        .ok_or_else(|| nonsense(method, "a quantity"))
}

pub(super) fn quantity(method: &str, value: &Value) -> Result<u64, ChainError> {
    u64::try_from(number(method, value)?).map_err(|_| nonsense(method, "a quantity of 64 bits"))
}

pub(super) fn receipt(method: &str, tx: &str, receipt: &Value) -> Result<Receipt, ChainError> {
    let field = |name: &str| number(method, receipt.get(name).unwrap_or(&Value::Null));
    // Rollups add what the data costs on the settlement chain.
    let data_cost = receipt.get("l1Fee").map_or(Ok(U256::ZERO), |fee| number(method, fee))?;
    let cost = field("gasUsed")?.saturating_mul(field("effectiveGasPrice")?).saturating_add(data_cost);
    Ok(Receipt {
        tx: tx.to_owned(),
        from: address(method, receipt.get("from").unwrap_or(&Value::Null))?,
        block: quantity(method, receipt.get("blockNumber").unwrap_or(&Value::Null))?,
        succeeded: field("status")? == U256::from(1),
        cost,
        logs: logs(method, receipt.get("logs").unwrap_or(&Value::Null))?,
    })
}

pub(super) fn logs(method: &str, logs: &Value) -> Result<Vec<Log>, ChainError> {
    let all = logs.as_array().ok_or_else(|| nonsense(method, "a list of logs"))?;
    all.iter().map(|one| log(method, one)).collect()
}

fn log(method: &str, one: &Value) -> Result<Log, ChainError> {
    let field = |name: &str| one.get(name).unwrap_or(&Value::Null);
    let topic = |topic: &Value| {
        B256::try_from(bytes(method, topic)?.as_slice()).map_err(|_| nonsense(method, "a log's topic"))
    };
    let topics = field("topics").as_array().ok_or_else(|| nonsense(method, "a log's topics"))?;
    Ok(Log {
        address: address(method, field("address"))?,
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
