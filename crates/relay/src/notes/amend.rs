//! Changing a note that others may be changing, too.

use super::{Key, Notes};
use crate::store::StoreError;
use bytes::Bytes;
use tollwire_ledger::Timestamp;

/// How often somebody else may come first.
const TRIES: usize = 16;

/// Changes what a note says, from what it says then; once more if somebody changed it in between. What `change` made beside
/// the new text; `None` if there is no note.
pub(crate) async fn amend<T, E: From<StoreError>>(
    notes: &dyn Notes,
    key: Key<'_>,
    now: Timestamp,
    mut change: impl FnMut(&[u8]) -> Result<(Bytes, T), E>,
) -> Result<Option<T>, E> {
    for _ in 0..TRIES {
        let Some(was) = notes.get(key, now).await? else { return Ok(None) };
        let (value, made) = change(&was)?;
        if notes.replace(key, was, value, now).await? {
            return Ok(Some(made));
        }
    }
    Err(StoreError::Unavailable("others change the same thing all the time; try again".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryNotes, Topic};
    use super::*;

    const KEY: Key<'_> = (Topic::People, "ada");

    fn now() -> Timestamp {
        Timestamp::from_millis(1)
    }

    #[tokio::test]
    async fn what_others_did_in_between_is_kept() {
        let notes = MemoryNotes::new();
        notes.put(KEY, Bytes::from_static(b"a"), None).await.unwrap();
        let mut looks = 0;
        let made = amend::<_, StoreError>(&notes, KEY, now(), |was| {
            looks += 1;
            if looks == 1 {
                // Another comes first.
                drop(notes.put(KEY, Bytes::from_static(b"ab"), None));
            }
            Ok(([was, b"c"].concat().into(), was.len()))
        });
        assert_eq!(made.await, Ok(Some(2)));
        assert_eq!(notes.get(KEY, now()).await.unwrap().as_deref(), Some(&b"abc"[..]));
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_made_and_an_error_changes_nothing() {
        let notes = MemoryNotes::new();
        let nothing = amend::<(), StoreError>(&notes, KEY, now(), |_| unreachable!());
        assert_eq!(nothing.await, Ok(None));
        notes.put(KEY, Bytes::from_static(b"a"), None).await.unwrap();
        let no = StoreError::Corrupt("no".to_owned());
        let refused = amend::<(), StoreError>(&notes, KEY, now(), |_| Err(no.clone()));
        assert_eq!(refused.await, Err(no.clone()));
        let mut looks = 0;
        let beaten = amend::<(), StoreError>(&notes, KEY, now(), |was| {
            looks += 1;
            drop(notes.put(KEY, [was, b"b"].concat().into(), None));
            Ok((Bytes::new(), ()))
        });
        assert!(matches!(beaten.await, Err(StoreError::Unavailable(_))));
        assert_eq!(looks, TRIES);
    }
}
