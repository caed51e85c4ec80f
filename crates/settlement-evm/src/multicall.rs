//! Several calls in one transaction, by Multicall3: a contract that stands at the same address on every chain.
//!
//! It keeps nothing and may do nothing that its caller could not; whoever submits an authorization is of no account to
//! the token, so it may as well be Multicall3. A call that fails fails alone.

use crate::note::Note;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, U256, address};
use alloy_sol_types::{SolCall, sol};
use tollwire_ledger::model::Attempt;

sol! {
    /// Multicall3, as far as we use it.
    contract Multicall3 {
        struct Call3 { address target; bool allowFailure; bytes callData; }
        struct Result { bool success; bytes returnData; }
        function aggregate3(Call3[] calls) external payable returns (Result[] returnData);
    }
}

/// Where it stands (<https://github.com/mds1/multicall3>).
pub(crate) const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// One call.
pub(crate) struct Part {
    pub(crate) target: Address,
    /// Whether the others stand if it fails.
    pub(crate) may_fail: bool,
    pub(crate) input: Vec<u8>,
}

/// Calldata that makes these calls.
pub(crate) fn calldata(parts: Vec<Part>) -> Vec<u8> {
    let calls = parts.into_iter().map(|part| Multicall3::Call3 {
        target: part.target,
        allowFailure: part.may_fail,
        callData: part.input.into(),
    });
    Multicall3::aggregate3Call { calls: calls.collect() }.abi_encode()
}

/// Among how many payments the cost of an attempt's transaction is divided: the calls of the token in it.
pub(crate) fn payments_in(attempt: &Attempt, token: Address) -> U256 {
    let calls = || {
        let transaction = TxEnvelope::decode_2718(&mut attempt.raw.as_slice()).ok()?;
        (transaction.to() == Some(MULTICALL3)).then_some(())?;
        let calls = Multicall3::aggregate3Call::abi_decode(transaction.input()).ok()?.calls;
        u64::try_from(calls.iter().filter(|call| call.target == token).count()).ok()
    };
    Note::of(attempt).map_or_else(|| U256::from(calls().unwrap_or(1).max(1)), Note::parts)
}
