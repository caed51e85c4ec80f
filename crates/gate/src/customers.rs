//! Who may use the facilitator: accounts with a key each, and, if the operator likes, whoever comes without one.

use crate::error::Error;
use crate::gate::random;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tollwire_x402::Facilitator;

/// What keys begin with, so that scanners for leaked secrets find them.
const PREFIX: &str = "tollwire_";

/// Characters of an account's name at most.
const NAME_MAX: usize = 32;

/// The name of an account: 1 to 32 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(String);

/// What is kept of a key: its SHA-256. A key has 256 random bits, so that nothing slower is needed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

/// One account.
#[derive(Clone)]
pub struct Account {
    /// Its name, part of its key.
    pub id: AccountId,
    /// What its key hashes to.
    pub key: KeyHash,
    /// Whether everything it asks for is refused.
    pub suspended: bool,
    /// Serves it, under its own terms.
    pub facilitator: Arc<dyn Facilitator>,
}

/// Everybody who may use the facilitator.
#[derive(Clone, Default)]
pub struct Customers {
    keyless: Option<Arc<dyn Facilitator>>,
    accounts: BTreeMap<AccountId, Account>,
}

/// Why a request is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It has no key, and none but accounts are served.
    Missing,
    /// Its key is none of ours.
    Unknown,
    /// Its account is suspended.
    Suspended,
}

impl Customers {
    /// Only whoever comes without a key.
    pub fn keyless(facilitator: Arc<dyn Facilitator>) -> Self {
        Self { keyless: Some(facilitator), accounts: BTreeMap::new() }
    }

    /// Only accounts.
    pub fn with_keys() -> Self {
        Self::default()
    }

    /// With one account more; of two with one name the later counts.
    #[must_use]
    pub fn and(mut self, account: Account) -> Self {
        self.accounts.insert(account.id.clone(), account);
        self
    }

    /// Whose request this is, by the key it carries.
    pub(crate) fn of(&self, key: Option<&str>) -> Result<&Arc<dyn Facilitator>, Denied> {
        let Some(key) = key else { return self.keyless.as_ref().ok_or(Denied::Missing) };
        let name = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
        let id = name.and_then(|(name, _)| name.parse().ok()).ok_or(Denied::Unknown)?;
        let account = self.accounts.get(&id).filter(|account| account.key.admits(key));
        match account.ok_or(Denied::Unknown)? {
            account if account.suspended => Err(Denied::Suspended),
            account => Ok(&account.facilitator),
        }
    }

    /// Anybody's facilitator: what can be paid here is the same for all.
    pub(crate) fn any(&self) -> Option<&Arc<dyn Facilitator>> {
        self.keyless.as_ref().or_else(|| self.accounts.values().next().map(|account| &account.facilitator))
    }
}

impl AccountId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new key for this account. It is shown once; only its hash is kept.
    pub fn new_key(&self) -> Result<String, Error> {
        Ok(format!("{PREFIX}{}_{}", self.0, hex::encode(random::<32>()?)))
    }
}

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Compares in constant time.
    fn admits(&self, key: &str) -> bool {
        bool::from(self.0.ct_eq(&Self::of(key).0))
    }
}

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("write 1 to 32 characters of a-z, 0-9 and -")
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        hex::decode_to_slice(digits, &mut hash)
            .map(|()| Self(hash))
            .map_err(|_| "write sha256: and 64 hex digits, as `facilitator accounts new` prints them")
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

impl fmt::Debug for Customers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&AccountId> = self.accounts.keys().collect();
        f.debug_struct("Customers")
            .field("keyless", &self.keyless.is_some())
            .field("accounts", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollwire_x402::facilitator::{
        BoxFuture, Failure, Request, SettleResponse, Supported, VerifyResponse,
    };

    struct Nobody;

    impl Facilitator for Nobody {
        fn verify(&self, _: Request) -> BoxFuture<'_, Result<VerifyResponse, Failure>> {
            unreachable!()
        }

        fn settle(&self, _: Request) -> BoxFuture<'_, Result<SettleResponse, Failure>> {
            unreachable!()
        }

        fn supported(&self) -> BoxFuture<'_, Result<Supported, Failure>> {
            unreachable!()
        }
    }

    fn account(name: &str, suspended: bool) -> (Account, String) {
        let id: AccountId = name.parse().unwrap();
        let key = id.new_key().unwrap();
        let account = Account { id, key: KeyHash::of(&key), suspended, facilitator: Arc::new(Nobody) };
        (account, key)
    }

    #[test]
    fn a_key_opens_its_own_account_and_no_other() {
        let ((acme, key), (other, other_key)) = (account("acme", false), account("other", true));
        let ours = Arc::clone(&acme.facilitator);
        let customers = Customers::with_keys().and(acme).and(other);
        assert!(Arc::ptr_eq(customers.of(Some(&key)).unwrap(), &ours));
        assert_eq!(customers.of(Some(&other_key)).err(), Some(Denied::Suspended));
        assert_eq!(customers.of(None).err(), Some(Denied::Missing));
        let secret = key.rsplit('_').next().unwrap();
        for wrong in [
            "",
            "tollwire_",
            "tollwire_acme",
            "tollwire_acme_",
            secret,
            &key[..key.len() - 1],
            &format!("{key} "),
            &key.to_uppercase(),
            &format!("tollwire_other_{secret}"),
            &account("acme", false).1,
        ] {
            assert_eq!(customers.of(Some(wrong)).err(), Some(Denied::Unknown), "{wrong}");
        }
    }

    #[test]
    fn hashes_are_read_as_they_are_written_and_shown_nowhere_else() {
        let hash = KeyHash::of("tollwire_acme_x");
        assert_eq!(hash.to_string().parse(), Ok(hash.clone()));
        assert_eq!(format!("{hash:?}"), "KeyHash(..)");
        for wrong in ["", "sha256:", "sha256:00", &hash.to_string()[7..], &format!("{hash}00")] {
            assert!(wrong.parse::<KeyHash>().is_err(), "{wrong}");
        }
        for wrong in ["", "Acme", "a_b", "a/b", &"a".repeat(33)] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }
}
