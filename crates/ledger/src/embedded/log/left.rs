//! What a log that was not closed has for its store, and what may be done with one that has nothing.

use super::entry::{HEAD, MAGIC, at_start, entry_at, id_of, number_at};
use super::unavailable;
use crate::embedded::changes::Changes;
use crate::file;
use crate::{Error, record};
use std::io;
use std::path::Path;

/// Numbers that can be told from chance.
const AHEAD_MAX: u64 = 1 << 20;

/// Reads the log with this id: the changes of its entries after number `poured`.
///
/// [`Error::Unfit`] if the file is missing or another store's, [`Error::Corrupt`] if entries are missing or damaged that were
/// answered for. What was being written when the process died is not.
pub(in crate::embedded) fn read(path: &Path, id: u64, poured: u64) -> Result<Changes, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Unfit(format!(
                "the store was not closed, and {}, which has its last changes, is missing; bring it back beside the store",
                path.display()
            )));
        }
        Err(error) => return Err(unavailable(path, &error)),
    };
    if id_of(&bytes) != Some(id) {
        return Err(Error::Unfit(format!(
            "the store was not closed, and {} is not its log; bring back the one that was beside it",
            path.display()
        )));
    }
    let damaged = |number: u64| Error::Corrupt(format!("{}: entry {number} is damaged", path.display()));
    let mut changes = Changes::default();
    let mut next = None;
    let mut at = at_start();
    while let Some((number, entry)) = entry_at(&bytes, at, id) {
        match next {
            None if number > poured.saturating_add(1) => return Err(damaged(poured.saturating_add(1))),
            Some(next) if number != next => break,
            None | Some(_) => {}
        }
        if number > poured {
            changes.merge(record::decode(entry, &format!("log entry {number}"))?);
        }
        next = Some(number.saturating_add(1));
        at = at.saturating_add(HEAD).saturating_add(entry.len());
    }
    // The next is begun when the one before is on the disk, so whatever comes later says that this one was.
    let expected = next.unwrap_or_default().max(poured.saturating_add(1));
    let later = expected.saturating_add(1)..expected.saturating_add(AHEAD_MAX);
    let beyond = (at..bytes.len()).any(|at| {
        number_at(&bytes, at).is_some_and(|number| later.contains(&number))
            && entry_at(&bytes, at, id).is_some()
    });
    if beyond { Err(damaged(expected)) } else { Ok(changes) }
}

/// Removes a log that has nothing for the store: one with the id `finished`, or one that was only begun.
///
/// [`Error::Unfit`] if it is another store's.
pub(in crate::embedded) fn clear_away(path: &Path, finished: Option<u64>) -> Result<(), Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable(path, &error)),
    };
    let id = id_of(&bytes);
    let begun = if bytes.starts_with(MAGIC) {
        id.is_none_or(|id| entry_at(&bytes, at_start(), id).is_none())
    } else {
        bytes.iter().all(|byte| *byte == 0)
    };
    if begun || (id.is_some() && id == finished) {
        return file::remove(path);
    }
    Err(Error::Unfit(format!(
        "{} is not of this store, but perhaps has the last changes of another; move it to where that one is, or away",
        path.display()
    )))
}

/// Whether a log can be made at `path`, which is free: found out when a store is opened, not by the first who pays.
///
/// [`Error::Unfit`] if not.
pub(in crate::embedded) fn try_place(path: &Path) -> Result<(), Error> {
    file::create_new(path)?;
    file::remove(path)
}
