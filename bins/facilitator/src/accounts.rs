//! `facilitator accounts new`.

use crate::failure::Failure;
use tollwire_gate::{AccountId, KeyHash};
use tollwire_ops::console;

/// Makes a key for an account and prints it, once; what stays is its hash.
pub(crate) fn new(id: &AccountId) -> Result<(), Failure> {
    let key = id.new_key().map_err(Failure::start)?;
    console::line(format!("key:      {key}"));
    console::line(format!("key_hash: {}", KeyHash::of(&key)));
    console::line(
        "The key is shown only now: hand it to the account's owner, who sends it as Authorization: Bearer. \
         The hash goes where the account's key_hash points (env:NAME or file:PATH).",
    );
    Ok(())
}
