//! The log as files of schema 6 have it: a table of rows of sessions and streams. It is read once more and then removed.

use super::changes::{Changes, Sheet};
use super::failure::storage;
use crate::{Error, record};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use std::collections::BTreeMap;
use tollwire_x402::SessionId;

/// Number -> what a batch changed, and over it what another did.
const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");

type Sheets = BTreeMap<SessionId, Sheet>;

/// What it has; it is gone then.
pub(super) fn take(txn: &WriteTransaction) -> Result<Changes, Error> {
    let mut left = Changes::default();
    for row in txn.open_table(LOG).map_err(storage)?.iter().map_err(storage)? {
        let (number, bytes) = row.map_err(storage)?;
        let entry = record::decode(bytes.value(), &format!("log entry {}", number.value()))?;
        let (below, above): (Sheets, Sheets) = entry;
        left.merge(below.into());
        left.merge(above.into());
    }
    txn.delete_table(LOG).map_err(storage)?;
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stream;
    use redb::Builder;
    use redb::backends::InMemoryBackend;

    #[test]
    fn both_layers_of_every_entry_are_read_and_the_table_is_gone() {
        let session: SessionId = "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
        let streams = ["1", "2", "3"].map(|digit| format!("7d444840-9dc0-4acd-b245-5ffdce74fad{digit}"));
        let layer = |posted: [u64; 3]| {
            let mut sheet = Sheet::default();
            for (id, posted) in streams.iter().zip(posted).filter(|(_, posted)| *posted > 0) {
                sheet.streams.insert(id.parse().unwrap(), Stream { posted, ..Stream::default() });
            }
            Sheets::from([(session.clone(), sheet)])
        };
        let db = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let txn = db.begin_write().unwrap();
        let entries = [(layer([1, 1, 1]), layer([0, 2, 2])), (layer([0, 0, 3]), Sheets::new())];
        for (number, entry) in (0..).zip(entries) {
            let bytes = record::encode(&entry).unwrap();
            txn.open_table(LOG).unwrap().insert(number, bytes.as_slice()).unwrap();
        }
        assert_eq!(take(&txn).unwrap(), layer([1, 2, 3]).into());
        assert!(!txn.delete_table(LOG).unwrap());
    }
}
