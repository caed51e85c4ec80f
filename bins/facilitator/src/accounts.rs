//! `facilitator accounts new`.

use crate::failure::Failure;
use crate::say;
use tollwire_gate::{AccountId, KeyHash};

/// Makes a key for an account and prints it, once; what stays is its hash.
pub(crate) fn new(id: &AccountId) -> Result<(), Failure> {
    let key = id.new_key().map_err(Failure::start)?;
    say::line(format!("key:      {key}"));
    say::line(format!("key_hash: {}", KeyHash::of(&key)));
    say::line(
        "The key is shown only now: hand it to the account's owner, who sends it as Authorization: Bearer. \
         The hash goes where the account's key_hash points (env:NAME or file:PATH).",
    );
    Ok(())
}
