//! The people whose sessions these are: the operator adds them, and gives each an API key.

use super::token::{Keys, person_of};
use crate::bridge::{AppId, KeptToken, TokenHash, rotate};
use crate::notes::{Notes, Topic, amend};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::Timestamp;

/// How long an older key is good after another was made.
const OVERLAP: Duration = Duration::from_secs(3_600);

/// Bytes of a key's name.
const NAME_BYTES: usize = 8;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    id: AppId,
    name: String,
    keys: Vec<KeptToken>,
    created: Timestamp,
}

/// A person, and which of their API keys they have shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) id: String,
    /// What the key is called: nobody can make the key, or what is kept of it, from that.
    pub(super) key: String,
}

/// Why a person is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PersonError {
    /// There is one of this name.
    #[error("there is one of this name already")]
    Exists,
    /// There is none.
    #[error("there is none of this name")]
    Unknown,
    /// The store did not take it.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
}

/// All of them.
pub(super) struct People {
    notes: Arc<dyn Notes>,
}

impl People {
    pub(super) fn new(notes: Arc<dyn Notes>) -> Self {
        Self { notes }
    }

    async fn find(&self, id: &str, now: Timestamp) -> Result<Person, PersonError> {
        let found = self.notes.get((Topic::People, id), now).await?.ok_or(PersonError::Unknown)?;
        Ok(read(id, &found)?)
    }

    /// Changes somebody's keys, whoever else is at it: what one operator revoked, another must not write again.
    async fn change(
        &self,
        id: &str,
        now: Timestamp,
        change: impl Fn(&mut Vec<KeptToken>),
    ) -> Result<Person, PersonError> {
        let changed = amend(&*self.notes, (Topic::People, id), now, |was| {
            let mut person = read(id, was)?;
            change(&mut person.keys);
            Ok::<_, PersonError>((bytes(&person), person))
        });
        changed.await?.ok_or(PersonError::Unknown)
    }

    /// Whose an API key is.
    pub(super) async fn admit(
        &self,
        keys: &Keys,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Holder>, StoreError> {
        let Some(id) = person_of(key) else { return Ok(None) };
        let person = match self.find(id, now).await {
            Ok(person) => person,
            Err(PersonError::Store(error)) => return Err(error),
            Err(_) => return Ok(None),
        };
        let hash = keys.hash(key);
        // All of them, whichever fits.
        let good = person.keys.iter().filter(|kept| kept.hash == hash).any(|kept| kept.is_good(now));
        Ok(good.then(|| Holder { id: person.id.to_string(), key: name_of(&hash) }))
    }

    /// Whether a key that was shown before is still good.
    pub(super) async fn is_good(&self, holder: &Holder, now: Timestamp) -> Result<bool, StoreError> {
        let person = match self.find(&holder.id, now).await {
            Ok(person) => person,
            Err(PersonError::Store(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        Ok(person.keys.iter().any(|kept| kept.is_good(now) && name_of(&kept.hash) == holder.key))
    }

    /// Adds somebody; with the first API key, which is shown this once.
    pub(super) async fn add(
        &self,
        keys: &Keys,
        (id, name): (AppId, Option<String>),
        now: Timestamp,
    ) -> Result<Value, PersonError> {
        let name = name.unwrap_or_else(|| id.to_string());
        let mut person = Person { id, name, keys: Vec::new(), created: now };
        let (key, hash) = keys.api_key(person.id.as_str())?;
        rotate(&mut person.keys, hash, now, Duration::ZERO);
        let claimed = self.notes.claim((Topic::People, person.id.as_str()), bytes(&person), None, now);
        if !claimed.await? {
            return Err(PersonError::Exists);
        }
        Ok(person.shown(Some(&key)))
    }

    /// Makes another API key; older ones stay good for a while.
    pub(super) async fn rotate(&self, keys: &Keys, id: &str, now: Timestamp) -> Result<Value, PersonError> {
        let (key, hash) = keys.api_key(id)?;
        let person = self.change(id, now, |keys| rotate(keys, hash, now, OVERLAP)).await?;
        Ok(person.shown(Some(&key)))
    }

    /// Makes all keys of somebody's worthless at once.
    pub(super) async fn revoke(&self, id: &str, now: Timestamp) -> Result<Value, PersonError> {
        let person = self.change(id, now, Vec::clear).await?;
        Ok(person.shown(None))
    }

    /// Forgets somebody.
    pub(super) async fn remove(&self, id: &str, now: Timestamp) -> Result<(), PersonError> {
        self.find(id, now).await?;
        Ok(self.notes.remove((Topic::People, id)).await?)
    }

    /// Somebody, as the operator may see them.
    pub(super) async fn view(&self, id: &str, now: Timestamp) -> Result<Value, PersonError> {
        Ok(self.find(id, now).await?.shown(None))
    }

    /// All, as the operator may see them.
    pub(super) async fn list(&self, now: Timestamp) -> Result<Vec<Value>, StoreError> {
        let all = self.notes.list(Topic::People, now).await?;
        let read = all.iter().filter_map(|(_, person)| serde_json::from_slice::<Person>(person).ok());
        Ok(read.map(|person| person.shown(None)).collect())
    }
}

impl Person {
    fn shown(&self, key: Option<&str>) -> Value {
        let keys: Vec<Value> =
            self.keys.iter().map(|kept| json!({ "until": kept.until.map(Timestamp::millis) })).collect();
        let mut view =
            json!({ "id": self.id, "name": self.name, "created": self.created.millis(), "keys": keys });
        if let (Some(members), Some(key)) = (view.as_object_mut(), key) {
            members.insert("token".to_owned(), json!(key));
        }
        view
    }
}

/// What a key is called.
fn name_of(hash: &TokenHash) -> String {
    let digest = Sha256::digest(format!("key {hash}"));
    hex::encode(digest.get(..NAME_BYTES).unwrap_or_default())
}

fn read(id: &str, person: &[u8]) -> Result<Person, StoreError> {
    serde_json::from_slice(person).map_err(|error| StoreError::Corrupt(format!("person {id}: {error}")))
}

fn bytes(person: &Person) -> bytes::Bytes {
    serde_json::to_vec(person).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::TokenKey;
    use crate::notes::MemoryNotes;

    /// A key is good from when it is made until it is revoked, or an hour after another was made; one that is made after that
    /// for the same name is another.
    #[tokio::test]
    async fn what_a_key_has_opened_is_good_as_long_as_the_key() {
        let keys = Keys::of(TokenKey::new(&"k".repeat(32)).unwrap());
        let people = People::new(Arc::new(MemoryNotes::new()));
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        let made = |shown: Value| shown["token"].as_str().unwrap().to_owned();
        let id = || "ada".parse::<AppId>().unwrap();
        let first = made(people.add(&keys, (id(), None), at(0)).await.unwrap());
        let first = people.admit(&keys, &first, at(1)).await.unwrap().unwrap();
        let second = made(people.rotate(&keys, "ada", at(10)).await.unwrap());
        let second = people.admit(&keys, &second, at(11)).await.unwrap().unwrap();
        assert_ne!(first, second);
        assert!(people.is_good(&first, at(3_609)).await.unwrap());
        assert!(!people.is_good(&first, at(3_610)).await.unwrap());
        assert!(people.is_good(&second, at(3_610)).await.unwrap());
        let other = Holder { id: "bob".into(), ..second.clone() };
        assert!(!people.is_good(&other, at(11)).await.unwrap(), "somebody else's");
        people.revoke("ada", at(20)).await.unwrap();
        assert!(!people.is_good(&second, at(20)).await.unwrap());
        people.remove("ada", at(21)).await.unwrap();
        people.add(&keys, (id(), None), at(22)).await.unwrap();
        assert!(!people.is_good(&second, at(22)).await.unwrap(), "another person of that name");
    }
}
