//! What we ask of a node, typed. A node that fails is [`ChainError::Unavailable`]; a contract that refuses is a
//! value.

mod question;
mod read;

pub(crate) use question::{Batch, Question, Slot, Told};
pub(crate) use read::hex0x;

use crate::Error;
use crate::gather::Gathering;
use crate::rpc::Rpc;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use serde_json::Value;
use std::time::Duration;
use tollwire_settlement::ChainError;

/// A node.
pub(crate) struct Node {
    rpc: Rpc,
    gathering: Gathering,
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The newest.
    Latest,
    /// The newest, and what waits to be mined.
    Pending,
    /// The newest that the chain itself holds for final.
    Finalized,
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
    /// Who sent it.
    pub(crate) from: Address,
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
        Ok(Self { rpc: Rpc::new(url, timeout)?, gathering: Gathering::default() })
    }

    /// Asks one question.
    pub(crate) async fn ask<T>(&self, question: Question<T>) -> Result<T, ChainError> {
        let told = self.rpc.call(&question.call).await;
        (question.read)(question.call.method, told)
    }

    /// Asks several questions in one request. What each comes to is told by its [`Slot`].
    pub(crate) async fn ask_all(&self, batch: Batch) -> Result<Told, ChainError> {
        batch.send(async |calls| self.rpc.call_many(calls).await).await
    }

    /// Like [`Node::ask_all`], in a request with what others ask so at the same moment.
    pub(crate) async fn ask_among_others(&self, batch: Batch) -> Result<Told, ChainError> {
        batch.send(async |calls| self.gathering.ask(&self.rpc, calls).await).await
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, ChainError> {
        self.ask(Question::chain_id()).await
    }

    /// The code at an address; empty for an ordinary account.
    pub(crate) async fn code(&self, at: Address) -> Result<Vec<u8>, ChainError> {
        self.ask(Question::code(at)).await
    }

    pub(crate) async fn block(&self, at: At) -> Result<Block, ChainError> {
        self.ask(Question::block(at)).await
    }

    /// Reads from a contract that must answer.
    pub(crate) async fn read<C: SolCall + 'static>(
        &self,
        contract: Address,
        call: &C,
        at: At,
    ) -> Result<C::Return, ChainError> {
        self.ask(Question::read(contract, call, at)).await
    }

    /// `None` while the transaction is not mined.
    pub(crate) async fn receipt(&self, tx: &str) -> Result<Option<Receipt>, ChainError> {
        self.ask(Question::receipt(tx)).await
    }

    /// Whether the node holds a transaction, mined or not.
    pub(crate) async fn knows(&self, tx: &str) -> Result<bool, ChainError> {
        self.ask(Question::knows(tx)).await
    }

    /// How many transactions an account has sent.
    pub(crate) async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        self.ask(Question::transaction_count(account, at)).await
    }

    /// Logs of a contract, in blocks `from..=to`; `topics` as in `eth_getLogs`.
    pub(crate) async fn logs(
        &self,
        contract: Address,
        from: u64,
        to: u64,
        topics: Value,
    ) -> Result<Vec<Log>, ChainError> {
        self.ask(Question::logs(contract, from, to, &topics)).await
    }

    /// Hands over a signed transaction.
    pub(crate) async fn send(&self, raw: &[u8]) -> Result<Sent, ChainError> {
        self.ask(Question::send(raw)).await
    }
}

impl At {
    fn param(self) -> String {
        match self {
            Self::Latest => "latest".into(),
            Self::Pending => "pending".into(),
            Self::Finalized => "finalized".into(),
            Self::Number(number) => format!("{number:#x}"),
        }
    }
}
