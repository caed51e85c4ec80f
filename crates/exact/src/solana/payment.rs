//! What a payer signs: the official client's transaction, to the byte.

use super::compile::{Account, Call, compile};
use super::program::{self, ASSOCIATED_TOKEN, COMPUTE_BUDGET, MEMO, SYSTEM, associated_token};
use super::{Address, Error, Transaction};

/// The longest memo, in bytes of UTF-8.
pub const MEMO_BYTES_MAX: usize = 256;

/// What a transfer may compute; as the official client writes it.
const COMPUTE_UNITS: u32 = 20_000;

/// What is bid for that, in micro-lamports per unit; likewise.
const COMPUTE_PRICE: u64 = 1;

/// Computing that creating a token account takes on top.
const CREATE_UNITS: u32 = 40_000;

/// The discriminator of `TransferChecked`.
pub(super) const TRANSFER_CHECKED: u8 = 12;

/// A transfer between the associated token accounts of two wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Who pays the fee, and signs first.
    pub fee_payer: Address,
    /// Whose tokens they are; signs.
    pub from: Address,
    /// Whose they become.
    pub to: Address,
    /// The token.
    pub mint: Address,
    /// Its program: [`program::TOKEN`] or [`program::TOKEN_2022`].
    pub token_program: Address,
    /// How many, in atomic units.
    pub amount: u64,
    /// The token's decimals.
    pub decimals: u8,
    /// The blockhash it lives by.
    pub blockhash: [u8; 32],
    /// A text to go with it, at most [`MEMO_BYTES_MAX`] bytes; none is written if empty.
    pub memo: &'a str,
    /// What is bid per compute unit, in micro-lamports; `None`: as the official client does.
    pub price: Option<u64>,
    /// Whether to create the payee's token account if it is missing, at the fee payer's expense.
    pub create: bool,
}

impl Transfer<'_> {
    /// The transaction, unsigned.
    pub fn transaction(&self) -> Result<Transaction, Error> {
        if self.memo.len() > MEMO_BYTES_MAX {
            return Err(Error::Transaction);
        }
        let mut calls = vec![self.limit(), self.bid()];
        if self.create {
            calls.push(self.creation()?);
        }
        calls.push(self.transfer()?);
        if !self.memo.is_empty() {
            calls.push(Call { program: MEMO, accounts: Vec::new(), data: self.memo.as_bytes().to_vec() });
        }
        Transaction::unsigned(compile(self.fee_payer, &calls, self.blockhash)?)
    }

    fn limit(&self) -> Call {
        let units = if self.create { COMPUTE_UNITS.saturating_add(CREATE_UNITS) } else { COMPUTE_UNITS };
        let mut data = vec![2];
        data.extend(units.to_le_bytes());
        Call { program: COMPUTE_BUDGET, accounts: Vec::new(), data }
    }

    fn bid(&self) -> Call {
        let mut data = vec![3];
        data.extend(self.price.unwrap_or(COMPUTE_PRICE).to_le_bytes());
        Call { program: COMPUTE_BUDGET, accounts: Vec::new(), data }
    }

    fn account_of(&self, owner: &Address) -> Result<Address, Error> {
        associated_token(owner, &self.token_program, &self.mint).ok_or(Error::Address)
    }

    fn transfer(&self) -> Result<Call, Error> {
        let mut data = vec![TRANSFER_CHECKED];
        data.extend(self.amount.to_le_bytes());
        data.push(self.decimals);
        let accounts = vec![
            Account::written(self.account_of(&self.from)?),
            Account::read(self.mint),
            Account::written(self.account_of(&self.to)?),
            Account::read(self.from).signing(),
        ];
        Ok(Call { program: self.token_program, accounts, data })
    }

    /// Creates the payee's token account, or does nothing if it is there.
    fn creation(&self) -> Result<Call, Error> {
        const IDEMPOTENT: u8 = 1;
        let accounts = vec![
            Account::written(self.fee_payer).signing(),
            Account::written(self.account_of(&self.to)?),
            Account::read(self.to),
            Account::read(self.mint),
            Account::read(SYSTEM),
            Account::read(self.token_program),
        ];
        Ok(Call { program: ASSOCIATED_TOKEN, accounts, data: vec![IDEMPOTENT] })
    }
}

impl Transfer<'static> {
    /// A transfer of SPL tokens with six decimals, as USDC has them, without memo.
    pub fn usdc(fee_payer: Address, from: Address, to: Address, mint: Address, amount: u64) -> Self {
        Self {
            fee_payer,
            from,
            to,
            mint,
            token_program: program::TOKEN,
            amount,
            decimals: tollwire_x402::asset::DECIMALS,
            blockhash: [0; 32],
            memo: "",
            price: None,
            create: false,
        }
    }
}
