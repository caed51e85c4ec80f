//! Writing messages: calls with named accounts become positions in one list.

use super::reader::write_length;
use super::{Address, Error, TRANSACTION_BYTES_MAX};
use std::cmp::Ordering;

/// A call with its accounts by name.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) program: Address,
    pub(super) accounts: Vec<Account>,
    pub(super) data: Vec<u8>,
}

/// An account, and what the call does with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) address: Address,
    pub(super) signs: bool,
    pub(super) written: bool,
}

impl Account {
    pub(super) const fn read(address: Address) -> Self {
        Self { address, signs: false, written: false }
    }

    pub(super) const fn written(address: Address) -> Self {
        Self { address, signs: false, written: true }
    }

    pub(super) const fn signing(mut self) -> Self {
        self.signs = true;
        self
    }
}

/// The bytes of a version 0 message, with its accounts in the order of the official client: the fee payer, then by what
/// is done with them, and within that by their text.
pub(super) fn compile(fee_payer: Address, calls: &[Call], blockhash: [u8; 32]) -> Result<Vec<u8>, Error> {
    write(fee_payer, calls, blockhash)
        .filter(|bytes| bytes.len() <= TRANSACTION_BYTES_MAX)
        .ok_or(Error::Transaction)
}

fn write(fee_payer: Address, calls: &[Call], blockhash: [u8; 32]) -> Option<Vec<u8>> {
    let accounts = merged(fee_payer, calls);
    let count = |wanted: fn(&Account) -> bool| {
        u8::try_from(accounts.iter().filter(|account| wanted(account)).count()).ok()
    };
    let mut bytes = vec![
        0x80,
        count(|account| account.signs)?,
        count(|account| account.signs && !account.written)?,
        count(|account| !account.signs && !account.written)?,
    ];
    write_length(&mut bytes, accounts.len())?;
    for account in &accounts {
        bytes.extend(account.address.as_bytes());
    }
    bytes.extend(blockhash);
    write_length(&mut bytes, calls.len())?;
    let position = |address: &Address| {
        let at = accounts.iter().position(|account| account.address == *address)?;
        u8::try_from(at).ok()
    };
    for call in calls {
        bytes.push(position(&call.program)?);
        write_length(&mut bytes, call.accounts.len())?;
        for account in &call.accounts {
            bytes.push(position(&account.address)?);
        }
        write_length(&mut bytes, call.data.len())?;
        bytes.extend(&call.data);
    }
    write_length(&mut bytes, 0)?; // no lookup tables
    Some(bytes)
}

/// Every account once, with the most that any call does with it, in its place.
fn merged(fee_payer: Address, calls: &[Call]) -> Vec<Account> {
    let mut accounts = vec![Account::written(fee_payer).signing()];
    for call in calls {
        let program = Account::read(call.program);
        for account in call.accounts.iter().chain([&program]) {
            match accounts.iter_mut().find(|known| known.address == account.address) {
                Some(known) => {
                    known.signs |= account.signs;
                    known.written |= account.written;
                }
                None => accounts.push(*account),
            }
        }
    }
    if let Some((_fee_payer, others)) = accounts.split_first_mut() {
        others.sort_by(|a, b| {
            let place = |account: &Account| (!account.signs, !account.written);
            place(a).cmp(&place(b)).then_with(|| collate(&a.address.to_string(), &b.address.to_string()))
        });
    }
    accounts
}

/// How the official client sorts addresses, an English dictionary's way: first without regard to case, then small letters
/// before capitals.
fn collate(a: &str, b: &str) -> Ordering {
    let lower = |text: &str| text.to_ascii_lowercase();
    lower(a).cmp(&lower(b)).then_with(|| b.cmp(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_sort_as_in_a_dictionary() {
        let mut words = ["b", "B", "a", "A", "1", "Z", "z", "aB", "Ab", "ab"];
        words.sort_by(|a, b| collate(a, b));
        assert_eq!(words, ["1", "a", "A", "ab", "aB", "Ab", "b", "B", "z", "Z"]);
    }
}
