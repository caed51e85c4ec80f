//! A mint account: its program, its decimals, and which extensions of Token-2022 it has.

use crate::node::Account;
use tollwire_exact::solana::{Address, program};

/// Bytes of a mint without extensions.
const MINT_BYTES: usize = 82;
/// Where extensions begin: after the bytes of a token account, and one that says which of the two it is.
const EXTENSIONS_AT: usize = 166;
/// Bytes of an extension's type and length.
const HEAD_BYTES: usize = 4;

/// Extensions that change what a transfer moves, or let others decide about it.
const REFUSED: [(u16, &str); 3] = [(1, "a transfer fee"), (14, "a transfer hook"), (9, "a ban on transfers")];

/// What of a mint matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mint {
    pub(crate) program: Address,
    pub(crate) decimals: u8,
}

impl Mint {
    /// Reads a mint that can be taken; the text says why another cannot.
    pub(crate) fn read(account: &Account) -> Result<Self, String> {
        let owner: Address = account.owner.parse().map_err(|_| "its owner is no address".to_owned())?;
        if ![program::TOKEN, program::TOKEN_2022].contains(&owner) {
            return Err("it belongs to no token program".into());
        }
        // Authority (36 bytes), supply (8), decimals, initialized.
        let (Some(decimals), Some(1)) = (account.data.get(44), account.data.get(45)) else {
            return Err("it is no mint".into());
        };
        if account.data.len() != MINT_BYTES {
            if owner == program::TOKEN {
                return Err("it is no mint".into());
            }
            check_extensions(account.data.get(EXTENSIONS_AT..).unwrap_or_default())?;
        }
        Ok(Self { program: owner, decimals: *decimals })
    }
}

/// Walks the extensions: type, length, content. What cannot be read is refused.
fn check_extensions(mut rest: &[u8]) -> Result<(), String> {
    let damaged = || "its extensions are unreadable".to_owned();
    while let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let [kind_low, kind_high, length_low, length_high] = *head;
        let kind = u16::from_le_bytes([kind_low, kind_high]);
        if kind == 0 {
            return Ok(());
        }
        if let Some((_, name)) = REFUSED.iter().find(|(refused, _)| *refused == kind) {
            return Err(format!("it has {name}, with which a payment would not move what was signed"));
        }
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        rest = after.get(length..).ok_or_else(damaged)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(owner: Address, extensions: &[(u16, u16)]) -> Account {
        let mut data = vec![0; MINT_BYTES];
        (data[44], data[45]) = (6, 1);
        if !extensions.is_empty() {
            data.resize(EXTENSIONS_AT, 0);
            for (kind, length) in extensions {
                data.extend(kind.to_le_bytes());
                data.extend(length.to_le_bytes());
                data.resize(data.len() + usize::from(*length), 7);
            }
        }
        Account { owner: owner.to_string(), lamports: 1, data }
    }

    #[test]
    fn mints_of_both_programs_are_read() {
        for owner in [program::TOKEN, program::TOKEN_2022] {
            assert_eq!(Mint::read(&mint(owner, &[])), Ok(Mint { program: owner, decimals: 6 }));
        }
        // A permanent delegate, metadata: not nice, but a transfer moves what it says.
        assert!(Mint::read(&mint(program::TOKEN_2022, &[(12, 32), (18, 64)])).is_ok());
    }

    #[test]
    fn fees_hooks_and_damage_are_refused() {
        let fee = mint(program::TOKEN_2022, &[(12, 32), (1, 108)]);
        assert!(Mint::read(&fee).unwrap_err().contains("fee"));
        assert!(Mint::read(&mint(program::TOKEN_2022, &[(14, 64)])).unwrap_err().contains("hook"));
        let mut cut = mint(program::TOKEN_2022, &[(18, 64)]);
        cut.data.truncate(200);
        let mut account = mint(program::TOKEN, &[]);
        account.data.resize(165, 0);
        let mut blank = mint(program::TOKEN, &[]);
        blank.data[45] = 0;
        for bad in [cut, account, blank, mint(program::SYSTEM, &[])] {
            assert!(Mint::read(&bad).is_err(), "{bad:?}");
        }
    }
}
