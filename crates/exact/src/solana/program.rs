//! The programs that a payment may call, and addresses derived from them.

use super::Address;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

/// Compute budget: how much a transaction may compute, and what it bids for that.
pub const COMPUTE_BUDGET: Address = known("0306466fe5211732ffecadba72c39be7bc8ce5bbc5f7126b2c439b3a40000000");
/// SPL Token.
pub const TOKEN: Address = known("06ddf6e1d765a193d9cbe146ceeb79ac1cb485ed5f5b37913a8cf5857eff00a9");
/// Token-2022.
pub const TOKEN_2022: Address = known("06ddf6e1ee758fde18425dbce46ccddab61afc4d83b90d27febdf928d8a18bfc");
/// Associated token accounts.
pub const ASSOCIATED_TOKEN: Address =
    known("8c97258f4e2489f1bb3d1029148e0d830b5a1399daff1084048e7bd8dbe9f859");
/// Memo.
pub const MEMO: Address = known("054a535a992921064d24e87160da387c7c35b5ddbc92bb81e41fa8404105448d");
/// Lighthouse: assertions that wallets add to what they sign.
pub const LIGHTHOUSE: Address = known("04dfad7962ffb1dd925d0a9fb5e6d00ce6195ba8bb3a91fd07ef9860c5e97bb8");
/// The system program.
pub const SYSTEM: Address = Address::new([0; 32]);

/// What every derived address is hashed with, last.
const PDA_MARKER: &[u8] = b"ProgramDerivedAddress";

/// The associated token account of a wallet for a mint of a token program: where payments to it go.
///
/// `None` never in practice: 256 tries would all have to hit the curve.
pub fn associated_token(owner: &Address, token_program: &Address, mint: &Address) -> Option<Address> {
    let seeds = [owner.as_bytes(), token_program.as_bytes(), mint.as_bytes()];
    (0..=u8::MAX).rev().find_map(|bump| {
        let mut hash = Sha256::new();
        for seed in seeds {
            hash.update(seed);
        }
        hash.update([bump]);
        hash.update(ASSOCIATED_TOKEN.as_bytes());
        hash.update(PDA_MARKER);
        let bytes: [u8; 32] = hash.finalize().into();
        // An address that is a public key could have an owner of its own; those are passed over.
        VerifyingKey::from_bytes(&bytes).is_err().then(|| Address::new(bytes))
    })
}

/// An address from 64 hexadecimal digits, at compile time.
const fn known(digits: &str) -> Address {
    let text = digits.as_bytes();
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (nibble(text[2 * at]) << 4) | nibble(text[2 * at + 1]);
        at += 1;
    }
    Address::new(bytes)
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_those_of_the_cluster() {
        for (program, text) in [
            (COMPUTE_BUDGET, "ComputeBudget111111111111111111111111111111"),
            (TOKEN, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
            (TOKEN_2022, "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
            (ASSOCIATED_TOKEN, "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"),
            (MEMO, "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
            (LIGHTHOUSE, "L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95"),
            (SYSTEM, "11111111111111111111111111111111"),
        ] {
            assert_eq!(program.to_string(), text);
        }
    }

    /// The accounts of the published SVM vector.
    #[test]
    fn token_accounts_are_derived_as_published() {
        let mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU".parse().unwrap();
        for (owner, account) in [
            ("GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB", "8EiF91LJfbatqHRY3k2jp8dwrFY3yDQeEovpMDZnpJiP"),
            ("J2xccRtuG43drESLYznHhLhQkLTdfepcKYbiQ9BsJVaf", "f5xag9qZ5qmEkt2MDrBQZENh9QV1orw3UyrqAg5wTc3"),
        ] {
            let derived = associated_token(&owner.parse().unwrap(), &TOKEN, &mint).unwrap();
            assert_eq!(derived.to_string(), account);
            let other = associated_token(&owner.parse().unwrap(), &TOKEN_2022, &mint).unwrap();
            assert_ne!(derived, other);
        }
    }
}
