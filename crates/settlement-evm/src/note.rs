//! What a payment has on record of a transaction that another payment's record holds.
//!
//! A batch's transaction is as long as the batch is wide. One of its payments keeps the signed bytes and brings it out
//! again after a crash; if every one did, a batch of 50 would be written fifty times.

use crate::fees::Fees;
use alloy_primitives::U256;
use tollwire_ledger::model::Attempt;

/// No transaction begins with this byte: types end at 0x7f (EIP-2718), and the list that an untyped one is begins at
/// 0xc0 (RLP).
const MARK: u8 = 0x80;

/// A transaction without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it offers, for those that are to replace it.
    pub(crate) fees: Fees,
    /// Among how many payments its cost is divided.
    pub(crate) payments: u32,
}

impl Note {
    /// The attempt of those whose transaction is on another's record.
    pub(crate) fn in_place_of(self, attempt: &Attempt) -> Attempt {
        let Attempt { tx, raw: _, signer, nonce, at } = attempt.clone();
        Attempt { tx, raw: self.write(), signer, nonce, at }
    }

    /// What an attempt has of its transaction, if that is not the transaction.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        Self::read(&attempt.raw)
    }

    fn write(self) -> Vec<u8> {
        let Self { fees: Fees { max, tip }, payments } = self;
        [&[MARK], max.to_be_bytes().as_slice(), &tip.to_be_bytes(), &payments.to_be_bytes()].concat()
    }

    fn read(raw: &[u8]) -> Option<Self> {
        let (&[MARK], rest) = raw.split_first_chunk()? else { return None };
        let (max, rest) = rest.split_first_chunk()?;
        let (tip, rest) = rest.split_first_chunk()?;
        let fees = Fees { max: u128::from_be_bytes(*max), tip: u128::from_be_bytes(*tip) };
        Some(Self { fees, payments: u32::from_be_bytes(rest.try_into().ok()?) })
    }

    /// As a divisor of its cost.
    pub(crate) fn parts(self) -> U256 {
        U256::from(self.payments.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(max: u128, tip: u128, payments: u32) {
            let note = Note { fees: Fees { max, tip }, payments };
            prop_assert_eq!(Note::read(&note.write()), Some(note));
        }

        #[test]
        fn no_transaction_is_taken_for_one(first in (0..=0x7f_u8).prop_union(0xc0..=0xff_u8), rest: Vec<u8>) {
            prop_assert_eq!(Note::read(&[&[first], rest.as_slice()].concat()), None);
        }

        #[test]
        fn what_is_too_long_or_too_short_is_none(rest in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assume!(rest.len() != 36);
            prop_assert_eq!(Note::read(&[&[MARK], rest.as_slice()].concat()), None);
        }
    }
}
