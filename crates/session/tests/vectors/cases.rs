//! What is forged, and what must become of it.

mod bound;
mod claims;
mod controls;
mod form;
mod key_sets;
mod keys;
mod languages;
mod proofs;
mod receipts;
mod streams;
mod valid;

use crate::forge::{Draft, NOW, URL};
use crate::keys::{Key, Keys};
use crate::{Bound, Control, File, Kind, Proof, Receipt, Vector};
use serde_json::Value;
use tollwire_session::KeySet;

const LEEWAY_SECS: u64 = 30;

/// Collects vectors. Tokens whose signature is not deterministic are kept from the stored file as long as they sign
/// the same text.
pub(crate) struct Cases<'a> {
    keys: Keys,
    stored: Option<&'a File>,
    vectors: Vec<Vector>,
    proofs: Vec<Proof>,
    bound: Vec<Bound>,
    receipts: Vec<Receipt>,
    controls: Vec<Control>,
}

pub(crate) fn file(stored: Option<&File>) -> File {
    let mut cases = Cases {
        keys: Keys::new(),
        stored,
        vectors: Vec::new(),
        proofs: Vec::new(),
        bound: Vec::new(),
        receipts: Vec::new(),
        controls: Vec::new(),
    };
    valid::add(&mut cases);
    keys::add(&mut cases);
    form::add(&mut cases);
    claims::add(&mut cases);
    streams::add(&mut cases);
    languages::add(&mut cases);
    proofs::add(&mut cases);
    bound::add(&mut cases);
    receipts::add(&mut cases);
    controls::add(&mut cases);
    let keys = &cases.keys;
    let set = KeySet::default()
        .with(&keys.current.signing())
        .with(&keys.next.signing())
        .with(&keys.es256.signing());
    File {
        about: "Tollwire token vectors. Do not edit by hand; see README.md beside this file.".into(),
        issuer: URL.into(),
        audience: URL.into(),
        leeway_secs: LEEWAY_SECS,
        private_keys: keys.all().map(Key::published).into(),
        jwks: serde_json::from_str(&set.jwks_json().unwrap()).unwrap(),
        vectors: cases.vectors,
        key_sets: key_sets::all(),
        proofs: cases.proofs,
        bound: cases.bound,
        receipts: cases.receipts,
        controls: cases.controls,
    }
}

impl Cases<'_> {
    /// A good session token's draft.
    fn good(&self) -> Draft {
        Draft::session(&self.keys.current)
    }

    /// A session token of the current key that must be refused.
    fn refuse(&mut self, name: &str, draft: &Draft, expect: &str) {
        let token = draft.sign(&self.keys.current);
        self.refuse_token(name, token, expect);
    }

    fn refuse_token(&mut self, name: &str, token: String, expect: &str) {
        self.push(Kind::Session, name, token, expect, None);
    }

    fn refuse_stream(&mut self, name: &str, token: String, expect: &str) {
        self.push(Kind::Stream, name, token, expect, None);
    }

    fn push(&mut self, verify: Kind, name: &str, token: String, expect: &str, claims: Option<Value>) {
        assert!(self.vectors.iter().all(|vector| vector.name != name), "{name}");
        let status = status(expect);
        let (name, expect) = (name.to_owned(), expect.to_owned());
        self.vectors.push(Vector {
            name,
            verify,
            feed: "ticks".into(),
            now: NOW,
            expect,
            status,
            token,
            claims,
        });
    }

    /// Signs, unless the stored file has a signature for the same text under the same name.
    fn sign_once(&self, name: &str, draft: &Draft, key: &Key) -> String {
        if !key.is_deterministic() {
            let prefix = draft.signed() + ".";
            let mut stored = self.stored.into_iter().flat_map(File::signed);
            if let Some((_, text)) = stored.find(|(known, text)| *known == name && text.starts_with(&prefix))
            {
                return text.to_owned();
            }
        }
        draft.sign(key)
    }
}

/// The HTTP status of a result.
fn status(expect: &str) -> u16 {
    match expect {
        "ok" => 101,
        "expired" | "not_yet_valid" | "wrong_feed" => 403,
        _ => 401,
    }
}
