//! How a log is written down: a header, padded to [`START`], and entries one after the other: length of the changes (4 bytes),
//! number (8), CRC-32 (4) of the log's id, these two and the changes, then the changes; all numbers little-endian. Numbers grow
//! by one from entry to entry, also where the log begins anew: what an earlier round left behind the last entry has lower ones.

use crate::embedded::changes::Changes;
use crate::{Error, record};

/// The first eight bytes of the file; the log's id follows.
pub(super) const MAGIC: &[u8; 8] = b"TWLOG\0\0\x01";
/// Where the first entry begins.
pub(super) const START: u64 = 4096;
/// Length, number and checksum of an entry.
pub(super) const HEAD: usize = 16;

/// The first bytes of the log with this id.
pub(super) fn header(id: u64) -> [u8; 16] {
    let mut header = [0; 16];
    let (magic, number) = header.split_at_mut(8);
    magic.copy_from_slice(MAGIC);
    number.copy_from_slice(&id.to_le_bytes());
    header
}

pub(super) fn id_of(bytes: &[u8]) -> Option<u64> {
    let id = bytes.strip_prefix(MAGIC)?.first_chunk()?;
    Some(u64::from_le_bytes(*id))
}

/// Where the first entry begins, in a file that was read.
pub(super) fn at_start() -> usize {
    usize::try_from(START).unwrap_or(usize::MAX)
}

/// An entry as bytes, in the room of `buffer`.
pub(super) fn entry(mut buffer: Vec<u8>, id: u64, number: u64, changes: &Changes) -> Result<Vec<u8>, Error> {
    buffer.clear();
    buffer.resize(HEAD, 0);
    let mut entry = record::encode_onto(buffer, changes)?;
    let (head, changes) = entry.split_at_mut(HEAD);
    let length = u32::try_from(changes.len())
        .map_err(|_| Error::Unavailable("more has changed than one entry of the log can have".to_owned()))?;
    let sum = checksum(id, number, length, changes);
    let (of_length, rest) = head.split_at_mut(4);
    let (of_number, of_sum) = rest.split_at_mut(8);
    of_length.copy_from_slice(&length.to_le_bytes());
    of_number.copy_from_slice(&number.to_le_bytes());
    of_sum.copy_from_slice(&sum.to_le_bytes());
    Ok(entry)
}

/// The number and the changes of the entry that begins there, if one does.
pub(super) fn entry_at(bytes: &[u8], at: usize, id: u64) -> Option<(u64, &[u8])> {
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (length, number) = (u32::from_le_bytes(*length), u64::from_le_bytes(*number));
    let changes = rest.get(..usize::try_from(length).ok()?)?;
    let whole = number > 0 && checksum(id, number, length, changes) == u32::from_le_bytes(*sum);
    whole.then_some((number, changes))
}

/// The number that an entry would have if it began there.
pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at.checked_add(4)?..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

fn checksum(id: u64, number: u64, length: u32, changes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&id.to_le_bytes());
    sum.update(&number.to_le_bytes());
    sum.update(&length.to_le_bytes());
    sum.update(changes);
    sum.finalize()
}
