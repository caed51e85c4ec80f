//! The checks of the `exact` scheme that need no chain, in the order of the reference facilitator.
//!
//! What is checked is a transaction that we are asked to sign and to pay for. Everything that is not known to be
//! harmless is refused: other programs, other layouts, lookup tables, and any call that is given one of our own keys.

use super::payment::TRANSFER_CHECKED;
use super::program::{self, associated_token};
use super::{Address, Instruction, Message, Refusal, Transaction};
use serde_json::Value;
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{Network, PaymentId, Usdc, reason};

/// What the network takes for each signature, in lamports.
pub const LAMPORTS_PER_SIGNATURE: u64 = 5_000;

/// Fewest and most instructions: two of the compute budget, the transfer, and up to four that wallets add.
const INSTRUCTIONS: std::ops::RangeInclusive<usize> = 3..=7;

/// Micro-lamports in a lamport.
const MICRO: u128 = 1_000_000;

/// What the fee payer agrees to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The key that signs first and pays.
    pub fee_payer: Address,
    /// All keys that we sign with, the fee payer's among them: no instruction may be given any of them.
    pub own: Vec<Address>,
    /// Signatures at most, ours included; each costs [`LAMPORTS_PER_SIGNATURE`].
    pub signatures_max: usize,
    /// Compute units at most.
    pub units_max: u32,
    /// Micro-lamports per compute unit at most.
    pub price_max: u64,
    /// Lamports at most, signatures and compute together.
    pub fee_max: u64,
}

/// A payment that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The payment's identity.
    pub id: PaymentId,
    /// What was signed.
    pub transaction: Transaction,
    /// Who pays: the transfer's authority, whose own key has signed.
    pub payer: Address,
    /// The token account it comes from.
    pub source: Address,
    /// The token account it goes to: the payee's associated one.
    pub destination: Address,
    /// The token's program.
    pub token_program: Address,
    /// The signed amount.
    pub amount: Usdc,
    /// What the transaction costs its fee payer at most, in lamports.
    pub fee: u64,
}

/// The transfer of a payment, as far as it can be read.
#[derive(Debug, Clone, Copy)]
struct Transfer {
    token_program: Address,
    source: Address,
    mint: Address,
    destination: Address,
    payer: Address,
    amount: u64,
}

/// Every check that needs no chain. `requirements` is the offer in v2 form; `payload` the scheme's JSON.
///
/// Stricter than the reference in what it gives away: no lookup tables, no multisig authority, no instruction at all
/// with one of our keys (the specification's own rule), a bound on the whole fee.
pub fn check(
    requirements: &PaymentRequirements,
    payload: &Value,
    limits: &Limits,
) -> Result<Checked, Refusal> {
    let (network, pay_to, mint) = read_offer(requirements, limits)?;
    let transaction = read_transaction(payload)?;
    let message = transaction.message();
    check_signers(&transaction, limits)?;
    if message.looks_up {
        return Err(Refusal::new(
            reason::SVM_LOOKUP_TABLES,
            "address lookup tables are not resolved here; name every account in the message",
        ));
    }
    if !INSTRUCTIONS.contains(&message.instructions.len()) {
        return Err(Refusal::new(
            reason::SVM_INSTRUCTIONS_LENGTH,
            "write 3 to 7 instructions: compute limit, compute price, transfer, and at most four more",
        ));
    }
    let fee = check_budget(message, limits)?;
    let transfer = read_transfer(message)?;
    let refuse = |reason, message: &str| Err(Refusal::new(reason, message).by(transfer.payer));
    if touches_own(message, limits) {
        return refuse(
            reason::SVM_FEE_PAYER_TRANSFERRING_FUNDS,
            "a key of the facilitator's is among an instruction's accounts",
        );
    }
    if transfer.mint != mint {
        return refuse(reason::SVM_MINT_MISMATCH, "the transfer is not of the offer's asset");
    }
    let destination = associated_token(&pay_to, &transfer.token_program, &mint);
    if destination != Some(transfer.destination) || transfer.source == transfer.destination {
        return refuse(
            reason::SVM_RECIPIENT_MISMATCH,
            "the transfer does not go to the associated token account of the offer's payTo",
        );
    }
    if transfer.amount != requirements.amount.atomic() {
        let wanted = requirements.amount.atomic();
        return refuse(
            reason::SVM_AMOUNT_MISMATCH,
            &format!("the amount is not exactly the price, {wanted}"),
        );
    }
    check_optional(message).map_err(|refusal| refusal.by(transfer.payer))?;
    check_memo(message, requirements).map_err(|refusal| refusal.by(transfer.payer))?;
    Ok(Checked {
        id: PaymentId::solana(network, &transaction.digest()),
        payer: transfer.payer,
        source: transfer.source,
        destination: transfer.destination,
        token_program: transfer.token_program,
        amount: requirements.amount,
        fee,
        transaction,
    })
}

/// What a payload says of itself, whether it is any good or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The amount of its transfer.
    pub amount: Option<Usdc>,
    /// The token account that it goes to.
    pub destination: Option<Address>,
    /// The texts of its memos, as far as they are text.
    pub memos: Vec<String>,
}

impl Said {
    /// Reads a payload of this scheme.
    pub fn read(payload: &Value) -> Self {
        let Ok(transaction) = read_transaction(payload) else { return Self::default() };
        let message = transaction.message();
        let transfer = read_transfer(message).ok();
        Self {
            amount: transfer.and_then(|transfer| Usdc::from_atomic(transfer.amount)),
            destination: transfer.map(|transfer| transfer.destination),
            memos: memos(message).filter_map(|memo| String::from_utf8(memo.to_vec()).ok()).collect(),
        }
    }
}

/// The transaction of a payload.
fn read_transaction(payload: &Value) -> Result<Transaction, Refusal> {
    let text = payload.get("transaction").and_then(Value::as_str).unwrap_or_default();
    Transaction::from_base64(text).map_err(|error| {
        Refusal::new(reason::SVM_TRANSACTION_UNDECODABLE, format!("payload.transaction: {error}"))
    })
}

fn read_offer(
    requirements: &PaymentRequirements,
    limits: &Limits,
) -> Result<(Network, Address, Address), Refusal> {
    if requirements.scheme != "exact" {
        return Err(Refusal::new(reason::SVM_UNSUPPORTED_SCHEME, "scheme is not exact"));
    }
    let Some(network @ Network::Solana(_)) = requirements.known_network() else {
        return Err(Refusal::new(
            reason::SVM_NETWORK_MISMATCH,
            "network is not a CAIP-2 identifier of a Solana cluster",
        ));
    };
    let Some(fee_payer) = requirements.extra_str("feePayer") else {
        return Err(Refusal::new(
            reason::SVM_MISSING_FEE_PAYER,
            "extra.feePayer of the offer names who pays the transaction's fee",
        ));
    };
    if fee_payer.parse() != Ok(limits.fee_payer) {
        return Err(Refusal::new(
            reason::SVM_FEE_PAYER_NOT_MANAGED,
            format!("extra.feePayer is not ours, {}", limits.fee_payer),
        ));
    }
    let address = |field: &str, text: &str| {
        text.parse().map_err(|_| {
            Refusal::new(reason::INVALID_PAYMENT_REQUIREMENTS, format!("{field} is not a Solana address"))
        })
    };
    Ok((network, address("payTo", &requirements.pay_to)?, address("asset", &requirements.asset)?))
}

/// How many sign, who pays, and whether everybody but us has signed. The chain is not asked: it could not tell, as long
/// as our own signature is missing.
fn check_signers(transaction: &Transaction, limits: &Limits) -> Result<(), Refusal> {
    let message = transaction.message();
    if message.signers > limits.signatures_max {
        return Err(Refusal::new(
            reason::SVM_EXCESSIVE_SIGNERS,
            format!("at most {} signatures are paid for", limits.signatures_max),
        ));
    }
    if message.accounts.first() != Some(&limits.fee_payer) {
        return Err(Refusal::new(
            reason::SVM_FEE_PAYER_MISMATCH,
            format!("the fee payer is not the offer's, {}", limits.fee_payer),
        ));
    }
    transaction.verify_all_but_first().map_err(|_| {
        Refusal::new(reason::SVM_SIGNATURE_INVALID, "a required signature is missing or not the signer's")
    })
}

/// The first two instructions; gives what the transaction costs at most.
fn check_budget(message: &Message, limits: &Limits) -> Result<u64, Refusal> {
    let data = |at: usize, kind: u8, length: usize| {
        let instruction = message.instructions.get(at)?;
        let ours = message.program(instruction) == Some(&program::COMPUTE_BUDGET)
            && instruction.data.len() == length;
        instruction.data.strip_prefix(&[kind]).filter(|_| ours)
    };
    let units =
        data(0, 2, 5).and_then(|data| data.try_into().ok()).map(u32::from_le_bytes).ok_or_else(|| {
            Refusal::new(reason::SVM_COMPUTE_LIMIT, "the first instruction is not SetComputeUnitLimit")
        })?;
    if units > limits.units_max {
        let message = format!("at most {} compute units are paid for", limits.units_max);
        return Err(Refusal::new(reason::SVM_COMPUTE_LIMIT_TOO_HIGH, message));
    }
    let price =
        data(1, 3, 9).and_then(|data| data.try_into().ok()).map(u64::from_le_bytes).ok_or_else(|| {
            Refusal::new(reason::SVM_COMPUTE_PRICE, "the second instruction is not SetComputeUnitPrice")
        })?;
    let signatures = u64::try_from(message.signers).unwrap_or(u64::MAX);
    let priority = (u128::from(units) * u128::from(price)).div_ceil(MICRO);
    let fee = LAMPORTS_PER_SIGNATURE
        .saturating_mul(signatures)
        .saturating_add(u64::try_from(priority).unwrap_or(u64::MAX));
    if price > limits.price_max || fee > limits.fee_max {
        let message = format!(
            "at most {} micro-lamports per compute unit are paid, and {} lamports in all",
            limits.price_max, limits.fee_max
        );
        return Err(Refusal::new(reason::SVM_COMPUTE_PRICE_TOO_HIGH, message));
    }
    Ok(fee)
}

/// The third instruction: `TransferChecked` of a token program, by a single signer.
fn read_transfer(message: &Message) -> Result<Transfer, Refusal> {
    let none = |what: &str| Refusal::new(reason::SVM_NO_TRANSFER, format!("the third instruction is {what}"));
    let instruction = message.instructions.get(2).ok_or_else(|| none("missing"))?;
    let token_program = message
        .program(instruction)
        .filter(|called| [program::TOKEN, program::TOKEN_2022].contains(called))
        .ok_or_else(|| none("of no token program"))?;
    let data = instruction.data.strip_prefix(&[TRANSFER_CHECKED]).filter(|data| data.len() == 9);
    let amount = data.and_then(|data| data.first_chunk()).ok_or_else(|| none("not TransferChecked"))?;
    let [source, mint, destination, authority] = instruction.accounts.as_slice() else {
        return Err(none("not a transfer by one authority"));
    };
    // An authority that does not sign is a multisig account, or the transfer fails.
    if usize::from(*authority) >= message.signers {
        return Err(none("not signed by its authority"));
    }
    let account = |position: &u8| message.account(*position).copied().ok_or_else(|| none("malformed"));
    Ok(Transfer {
        token_program: *token_program,
        source: account(source)?,
        mint: account(mint)?,
        destination: account(destination)?,
        payer: account(authority)?,
        amount: u64::from_le_bytes(*amount),
    })
}

/// Whether any instruction is given one of our keys: as source, authority, or whatever else.
fn touches_own(message: &Message, limits: &Limits) -> bool {
    let own = |position: &u8| {
        message
            .account(*position)
            .is_none_or(|account| *account == limits.fee_payer || limits.own.contains(account))
    };
    message.instructions.iter().any(|instruction| instruction.accounts.iter().any(own))
}

/// What may follow the transfer: memos, and the assertions that wallets add.
fn check_optional(message: &Message) -> Result<(), Refusal> {
    const UNKNOWN: [&str; 4] = [
        reason::SVM_UNKNOWN_FOURTH,
        reason::SVM_UNKNOWN_FIFTH,
        reason::SVM_UNKNOWN_SIXTH,
        reason::SVM_UNKNOWN_SEVENTH,
    ];
    let known = |instruction: &Instruction| {
        message
            .program(instruction)
            .is_some_and(|called| [program::MEMO, program::LIGHTHOUSE].contains(called))
    };
    for (instruction, reason) in message.instructions.iter().skip(3).zip(UNKNOWN) {
        if !known(instruction) {
            return Err(Refusal::new(reason, "after the transfer only Memo and Lighthouse may be called"));
        }
    }
    Ok(())
}

fn memos(message: &Message) -> impl Iterator<Item = &[u8]> {
    let optional = message.instructions.iter().skip(3);
    optional
        .filter(|instruction| message.program(instruction) == Some(&program::MEMO))
        .map(|instruction| instruction.data.as_slice())
}

/// With a memo in the offer: exactly one, the same to the byte.
fn check_memo(message: &Message, requirements: &PaymentRequirements) -> Result<(), Refusal> {
    let Some(wanted) = requirements.extra_str("memo").filter(|memo| !memo.is_empty()) else { return Ok(()) };
    let mut memos = memos(message);
    match (memos.next(), memos.next()) {
        (Some(memo), None) if memo == wanted.as_bytes() => Ok(()),
        (Some(_), None) => Err(Refusal::new(reason::SVM_MEMO_MISMATCH, "the memo is not the offer's")),
        _ => Err(Refusal::new(reason::SVM_MEMO_COUNT, "write exactly one memo, the offer's")),
    }
}
