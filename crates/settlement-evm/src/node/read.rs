//! Reading a node's answers, and its words for what went wrong.

use super::{Block, Called, Log, Receipt, Sent};
use crate::rpc::{Answer, Failure, Given};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::decode_revert_reason;
use serde::Deserialize;
use serde_json::value::RawValue;
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
pub(super) fn called(method: &str, told: Result<Given, Failure>) -> Result<Called, ChainError> {
    match told {
        Ok(returned) => bytes(method, &returned).map(Called::Returned),
        Err(Failure::Answer(answer)) if answer.is_the_contracts() => {
            Ok(Called::Reverted(answer.revert_text()))
        }
        Err(failure) => Err(unavailable(method, failure)),
    }
}

/// What became of a transaction that was handed over.
pub(super) fn sent(method: &str, told: Result<Given, Failure>) -> Result<Sent, ChainError> {
    match told {
        Ok(_hash) => Ok(Sent::Taken),
        Err(Failure::Answer(answer)) => {
            answer.sent().ok_or_else(|| unavailable(method, Failure::Answer(answer)))
        }
        Err(failure) => Err(unavailable(method, failure)),
    }
}

/// A block, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBlock<'a> {
    number: Option<&'a str>,
    timestamp: Option<&'a str>,
    base_fee_per_gas: Option<&'a str>,
}

/// The head of a block.
pub(super) fn block(method: &str, block: &RawValue) -> Result<Block, ChainError> {
    let raw: RawBlock<'_> = object(method, "a block", block)?;
    let base_fee = raw.base_fee_per_gas.map_or(Ok(U256::ZERO), |fee| number_in(method, Some(fee)))?;
    Ok(Block {
        number: quantity_in(method, raw.number)?,
        time: quantity_in(method, raw.timestamp)?,
        base_fee: u128::try_from(base_fee).unwrap_or(u128::MAX),
    })
}

/// A tip; zero from a node that has no opinion.
pub(super) fn tip(method: &str, told: Result<Given, Failure>) -> Result<u128, ChainError> {
    match told {
        Ok(tip) => number(method, &tip).map(|tip| u128::try_from(tip).unwrap_or(u128::MAX)),
        Err(Failure::Answer(_)) => Ok(0),
        Err(failure) => Err(unavailable(method, failure)),
    }
}

/// Whether there is nothing of what was asked for.
pub(super) fn is_null(given: &RawValue) -> bool {
    given.get() == "null"
}

fn object<'a, T: Deserialize<'a>>(method: &str, what: &str, given: &'a RawValue) -> Result<T, ChainError> {
    serde_json::from_str(given.get()).map_err(|_| nonsense(method, what))
}

/// The text of a JSON string; hexadecimal digits have no escapes.
fn text(given: &RawValue) -> Option<&str> {
    serde_json::from_str(given.get()).ok()
}

fn address_in(method: &str, text: Option<&str>) -> Result<Address, ChainError> {
    let bytes = bytes_in(method, text)?;
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

pub(super) fn bytes(method: &str, given: &RawValue) -> Result<Vec<u8>, ChainError> {
    bytes_in(method, text(given))
}

fn bytes_in(method: &str, text: Option<&str>) -> Result<Vec<u8>, ChainError> {
    let digits = text.and_then(|text| text.strip_prefix("0x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| nonsense(method, "hexadecimal data"))
}

pub(super) fn number(method: &str, given: &RawValue) -> Result<U256, ChainError> {
    number_in(method, text(given))
}

fn number_in(method: &str, text: Option<&str>) -> Result<U256, ChainError> {
    let digits = text.and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| U256::from_str_radix(digits, 16).ok())
        .ok_or_else(|| nonsense(method, "a quantity"))
}

pub(super) fn quantity(method: &str, given: &RawValue) -> Result<u64, ChainError> {
    quantity_in(method, text(given))
}

fn quantity_in(method: &str, text: Option<&str>) -> Result<u64, ChainError> {
    u64::try_from(number_in(method, text)?).map_err(|_| nonsense(method, "a quantity of 64 bits"))
}

/// A receipt, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReceipt<'a> {
    from: Option<&'a str>,
    block_number: Option<&'a str>,
    status: Option<&'a str>,
    gas_used: Option<&'a str>,
    effective_gas_price: Option<&'a str>,
    /// Rollups add what the data costs on the settlement chain.
    #[serde(rename = "l1Fee")]
    data_cost: Option<&'a str>,
    #[serde(borrow)]
    logs: Vec<RawLog<'a>>,
}

/// A log, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog<'a> {
    address: &'a str,
    #[serde(borrow)]
    topics: Vec<&'a str>,
    data: &'a str,
    transaction_hash: &'a str,
    block_number: &'a str,
}

pub(super) fn receipt(method: &str, tx: &str, receipt: &RawValue) -> Result<Receipt, ChainError> {
    let raw: RawReceipt<'_> = object(method, "a receipt", receipt)?;
    let data_cost = raw.data_cost.map_or(Ok(U256::ZERO), |fee| number_in(method, Some(fee)))?;
    let (gas, price) = (number_in(method, raw.gas_used)?, number_in(method, raw.effective_gas_price)?);
    Ok(Receipt {
        tx: tx.to_owned(),
        from: address_in(method, raw.from)?,
        block: quantity_in(method, raw.block_number)?,
        succeeded: number_in(method, raw.status)? == U256::from(1),
        cost: gas.saturating_mul(price).saturating_add(data_cost),
        logs: raw.logs.iter().map(|one| log(method, one)).collect::<Result<_, _>>()?,
    })
}

pub(super) fn logs(method: &str, logs: &RawValue) -> Result<Vec<Log>, ChainError> {
    let all: Vec<RawLog<'_>> = object(method, "a list of logs", logs)?;
    all.iter().map(|one| log(method, one)).collect()
}

fn log(method: &str, one: &RawLog<'_>) -> Result<Log, ChainError> {
    let topic = |topic: &&str| {
        B256::try_from(bytes_in(method, Some(topic))?.as_slice())
            .map_err(|_| nonsense(method, "a log's topic"))
    };
    Ok(Log {
        address: address_in(method, Some(one.address))?,
        topics: one.topics.iter().map(topic).collect::<Result<_, _>>()?,
        data: bytes_in(method, Some(one.data))?,
        tx: hex0x(&bytes_in(method, Some(one.transaction_hash))?),
        block: quantity_in(method, Some(one.block_number))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i64, message: &str) -> Answer {
        Answer { code, message: message.into(), data: None }
    }

    fn given(text: &str) -> Given {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn of_a_block_its_head_is_read_and_what_is_missing_is_said() {
        let whole = r#"{"number":"0x10","timestamp":"0x5","baseFeePerGas":"0x7","transactions":["0x01", {}], "x": null}"#;
        let head = block("eth_x", &given(whole)).unwrap();
        assert_eq!((head.number, head.time, head.base_fee), (16, 5, 7));
        let old = whole.replace("baseFeePerGas", "noFee");
        assert_eq!(block("eth_x", &given(&old)).unwrap().base_fee, 0);
        let bad = [
            whole.replace("0x10", "10"),
            whole.replace("timestamp", "time"),
            whole.replace(r#""0x5""#, "5"),
            whole.replace("0x7", "0xg"),
            "null".to_owned(),
            "[]".to_owned(),
        ];
        for text in bad {
            let ChainError::Unavailable(why) = block("eth_x", &given(&text)).err().unwrap() else {
                panic!("{text}")
            };
            assert!(why.starts_with("eth_x: ") && why.ends_with("missing or malformed"), "{why}");
        }
    }

    #[test]
    fn a_receipt_is_read_with_its_logs_or_not_at_all() {
        let word = "11".repeat(32);
        let account = format!("0x{}", "aa".repeat(20));
        let log = format!(
            r#"{{"address":"{account}","topics":["0x{word}"],"data":"0x","transactionHash":"0x{word}","blockNumber":"0x2","removed":false}}"#
        );
        let whole = format!(
            r#"{{"from":"{account}","blockNumber":"0x2","status":"0x1","gasUsed":"0x3","effectiveGasPrice":"0x5","logs":[{log},{log}],"to":null}}"#
        );
        let read = receipt("eth_x", "0xTX", &given(&whole)).unwrap();
        assert_eq!((read.tx.as_str(), read.block, read.succeeded), ("0xTX", 2, true));
        assert_eq!((read.cost, read.logs.len()), (U256::from(15), 2));
        assert_eq!(logs("eth_x", &given(&format!("[{log}]"))).unwrap().len(), 1);
        let rollup = whole.replace(r#""to":null"#, r#""l1Fee":"0x64""#);
        assert_eq!(receipt("eth_x", "0xTX", &given(&rollup)).unwrap().cost, U256::from(115));
        for field in
            ["from", "blockNumber", "status", "gasUsed", "effectiveGasPrice", "logs", "topics", "data"]
        {
            let without = whole.replace(&format!(r#""{field}""#), r#""other""#);
            receipt("eth_x", "0xTX", &given(&without)).unwrap_err();
        }
        assert!(is_null(&given("null")) && !is_null(&given(&whole)));
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
