//! How rows become bytes: one version byte, then postcard. Shared by the stores.
//!
//! A change of a stored type is a new version: [`decode`] then learns to read the old one too, and never guesses.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version this build writes.
const VERSION: u8 = 4;

/// A row as bytes.
pub fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, Error> {
    encode_onto(Vec::new(), row)
}

/// A row as bytes, behind those that are there already.
pub fn encode_onto<T: Serialize>(mut bytes: Vec<u8>, row: &T) -> Result<Vec<u8>, Error> {
    bytes.push(VERSION);
    postcard::to_extend(row, bytes).map_err(|error| Error::Corrupt(format!("cannot encode: {error}")))
}

/// A row from bytes. `what` names the row in the error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    let unreadable = |why: &str| Error::Corrupt(format!("{what}: {why}"));
    match bytes.split_first() {
        Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
            Ok((row, [])) => Ok(row),
            Ok(_) => Err(unreadable("bytes are left over")),
            Err(error) => Err(unreadable(&error.to_string())),
        },
        Some((version, _)) => Err(unreadable(&format!("record version {version} is not known"))),
        None => Err(unreadable("empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stream;

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        let row = Stream { posted: 3, fence: 2, reversed: true, ..Stream::default() };
        let bytes = encode(&row).unwrap();
        assert_eq!(decode::<Stream>(&bytes, "stream"), Ok(row));
        for cut in 0..bytes.len() {
            assert!(decode::<Stream>(&bytes[..cut], "stream").is_err(), "cut at {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode::<Stream>(&longer, "stream").is_err());
        let newer = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(
            decode::<Stream>(&newer, "stream"),
            Err(Error::Corrupt("stream: record version 5 is not known".into()))
        );
    }
}
