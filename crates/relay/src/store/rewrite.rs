//! Changing one row that is kept as JSON, however many do it at once.

use super::{Change, Changed, FOR_EVER, Row, Rows, StoreError, fresh_version};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what a row says; `what` names it in the error. No row says the default.
pub(crate) fn read<R: Default + DeserializeOwned>(row: Option<&Row>, what: &str) -> Result<R, StoreError> {
    row.map_or(Ok(R::default()), |row| {
        serde_json::from_slice(&row.content).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
    })
}

/// Changes a row by comparison alone, and answers what it says then, with what `change` answered. What `change` leaves as it
/// is is not written. It may be called more than once.
pub(crate) async fn rewrite<R, T>(
    rows: &dyn Rows,
    (key, what): (&str, &str),
    mut change: impl FnMut(&mut R) -> T + Send,
) -> Result<(R, T), StoreError>
where
    R: Clone + Default + PartialEq + Serialize + DeserializeOwned + Send,
    T: Send,
{
    let mut row = rows.row(key).await?;
    loop {
        let before: R = read(row.as_ref(), what)?;
        let mut after = before.clone();
        let outcome = change(&mut after);
        if after == before {
            return Ok((after, outcome));
        }
        let content = serde_json::to_vec(&after)
            .map_err(|error| StoreError::Corrupt(format!("cannot encode {what}: {error}")))?;
        let version = fresh_version()?;
        let wanted = Change {
            key: key.to_owned(),
            from: row.map(|row| row.version),
            to: Some(Row { version, content }),
            keep_until: FOR_EVER,
            due: None,
            alias: None,
        };
        match rows.change(wanted).await? {
            Changed::Moved(now) if now.as_ref().is_none_or(|row| row.version != version) => row = now,
            // Done; or the answer to an earlier try was lost.
            _ => return Ok((after, outcome)),
        }
    }
}
