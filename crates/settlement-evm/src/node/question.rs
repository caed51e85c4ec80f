//! Questions to a node, one by one or many in one request.

use super::read::{self, bytes, quantity, unavailable};
use super::{At, Block, Called, Log, Receipt, Sent, hex0x};
use crate::rpc::{Answers, Call, Failure, Given};
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollwire_settlement::ChainError;

/// How an answer is read.
type Read<T> = Box<dyn FnOnce(&'static str, Result<Given, Failure>) -> Result<T, ChainError> + Send>;

/// Gas for a question to a contract that changes nothing.
const READ_GAS: u64 = 1_000_000;

/// One question, and how its answer is read.
pub(crate) struct Question<T> {
    pub(super) call: Call,
    pub(super) read: Read<T>,
}

/// Questions of one request.
#[derive(Default)]
pub(crate) struct Batch(Vec<Call>);

/// Where the answer to one question of a [`Batch`] is found.
pub(crate) struct Slot<T> {
    at: usize,
    read: Read<T>,
}

/// The answers to a [`Batch`].
pub(crate) struct Told(Vec<Option<(&'static str, Result<Given, Failure>)>>);

impl Batch {
    /// Adds a question.
    pub(crate) fn add<T>(&mut self, question: Question<T>) -> Slot<T> {
        let at = self.0.len();
        self.0.push(question.call);
        Slot { at, read: question.read }
    }

    pub(super) async fn send(self, ask: impl AsyncFnOnce(Vec<Call>) -> Answers) -> Result<Told, ChainError> {
        let methods: Vec<&'static str> = self.0.iter().map(|call| call.method).collect();
        let first = methods.first().copied().unwrap_or_default();
        let answers = ask(self.0).await.map_err(|failure| unavailable(first, failure))?;
        Ok(Told(methods.into_iter().zip(answers).map(Some).collect()))
    }
}

impl Told {
    /// What one question came to.
    pub(crate) fn of<T>(&mut self, slot: Slot<T>) -> Result<T, ChainError> {
        let told = self.0.get_mut(slot.at).and_then(Option::take);
        let (method, answer) = told.ok_or_else(|| ChainError::Unavailable("an answer is missing".into()))?;
        (slot.read)(method, answer)
    }
}

impl<T: 'static> Question<T> {
    /// A question whose answer must be a result.
    fn plain(
        method: &'static str,
        params: &Value,
        read: impl FnOnce(&'static str, &RawValue) -> Result<T, ChainError> + Send + 'static,
    ) -> Self {
        let read = move |method, told: Result<Given, Failure>| match told {
            Ok(given) => read(method, &given),
            Err(failure) => Err(unavailable(method, failure)),
        };
        Self { call: Call { method, params: params.to_string() }, read: Box::new(read) }
    }
}

impl Question<u64> {
    pub(crate) fn chain_id() -> Self {
        Self::plain("eth_chainId", &json!([]), quantity)
    }

    /// How many transactions an account has sent.
    pub(crate) fn transaction_count(account: Address, at: At) -> Self {
        let params = json!([hex0x(account.as_slice()), at.param()]);
        Self::plain("eth_getTransactionCount", &params, quantity)
    }
}

impl Question<U256> {
    /// What an account has of the chain's own currency, in wei.
    pub(crate) fn balance(account: Address) -> Self {
        let params = json!([hex0x(account.as_slice()), At::Latest.param()]);
        Self::plain("eth_getBalance", &params, read::number)
    }
}

impl Question<Vec<u8>> {
    /// The code at an address; empty for an ordinary account.
    pub(crate) fn code(at: Address) -> Self {
        let params = json!([hex0x(at.as_slice()), At::Latest.param()]);
        Self::plain("eth_getCode", &params, bytes)
    }
}

impl Question<Block> {
    /// The head of a block.
    pub(crate) fn block(at: At) -> Self {
        Self::plain("eth_getBlockByNumber", &json!([at.param(), false]), |method, told| {
            read::block(method, told)
        })
    }
}

impl Question<u128> {
    /// The tip the node thinks gets a transaction into the next blocks, in wei per gas. Zero if it has no opinion.
    pub(crate) fn tip() -> Self {
        let call = Call { method: "eth_maxPriorityFeePerGas", params: "[]".into() };
        Self { call, read: Box::new(read::tip) }
    }
}

impl Question<Called> {
    /// A call that changes nothing, with this much gas.
    pub(crate) fn simulate(from: Address, to: Address, data: &[u8], gas: u64, at: At) -> Self {
        let (from, to, data, at) = (hex0x(from.as_slice()), hex0x(to.as_slice()), hex0x(data), at.param());
        let params = format!(r#"[{{"from":"{from}","to":"{to}","data":"{data}","gas":"{gas:#x}"}},"{at}"]"#);
        let call = Call { method: "eth_call", params };
        Self { call, read: Box::new(read::called) }
    }
}

impl<T: 'static> Question<T> {
    /// Reads from a contract that must answer.
    pub(crate) fn read<C: SolCall<Return = T> + 'static>(contract: Address, call: &C, at: At) -> Self {
        let asked = Question::simulate(Address::ZERO, contract, &call.abi_encode(), READ_GAS, at);
        let read = |method, told| match read::called(method, told)? {
            Called::Returned(data) => C::abi_decode_returns(&data)
                .map_err(|_| ChainError::Unavailable(format!("{} answered nonsense", C::SIGNATURE))),
            Called::Reverted(text) => {
                Err(ChainError::Unavailable(format!("{} reverted: {text}", C::SIGNATURE)))
            }
        };
        Self { call: asked.call, read: Box::new(read) }
    }
}

impl Question<Option<Receipt>> {
    /// `None` while the transaction is not mined.
    pub(crate) fn receipt(tx: &str) -> Self {
        let hash = tx.to_owned();
        Self::plain("eth_getTransactionReceipt", &json!([tx]), move |method, told| {
            if read::is_null(told) { Ok(None) } else { read::receipt(method, &hash, told).map(Some) }
        })
    }
}

impl Question<bool> {
    /// Whether the node holds a transaction, mined or not.
    pub(crate) fn knows(tx: &str) -> Self {
        Self::plain("eth_getTransactionByHash", &json!([tx]), |_, told| Ok(!read::is_null(told)))
    }
}

impl Question<Vec<Log>> {
    /// Logs of a contract, in blocks `from..=to`; `topics` as in `eth_getLogs`.
    pub(crate) fn logs(contract: Address, from: u64, to: u64, topics: &Value) -> Self {
        let filter = json!([{
            "address": hex0x(contract.as_slice()), "topics": topics,
            "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"),
        }]);
        Self::plain("eth_getLogs", &filter, read::logs)
    }
}

impl Question<Sent> {
    /// Hands over a signed transaction.
    pub(crate) fn send(raw: &[u8]) -> Self {
        let call = Call { method: "eth_sendRawTransaction", params: format!(r#"["{}"]"#, hex0x(raw)) };
        Self { call, read: Box::new(read::sent) }
    }
}
