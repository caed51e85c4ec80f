//! Typed access to the members of a verified payload; what is missing or mistyped is named.

use crate::Error;
use crate::claims::check_hash;
use serde_json::{Map, Value};
use std::str::FromStr;

/// The payload of a token whose signature has been verified.
pub(crate) struct Reader<'a>(&'a Map<String, Value>);

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a Map<String, Value>) -> Self {
        Self(payload)
    }

    /// A string claim.
    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, Error> {
        self.0.get(name).and_then(Value::as_str).ok_or(Error::Claims(name))
    }

    /// A string claim with a form of its own.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, Error> {
        self.text(name)?.parse().map_err(|_| Error::Claims(name))
    }

    /// A claim that is an integer and not negative.
    pub(crate) fn integer(&self, name: &'static str) -> Result<u64, Error> {
        self.0.get(name).and_then(Value::as_u64).ok_or(Error::Claims(name))
    }

    /// A string claim that may be `null`, but not missing.
    pub(crate) fn text_or_null(&self, name: &'static str) -> Result<Option<&'a str>, Error> {
        match self.0.get(name) {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            _ => Err(Error::Claims(name)),
        }
    }

    /// A claim that is true or false.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<bool, Error> {
        self.0.get(name).and_then(Value::as_bool).ok_or(Error::Claims(name))
    }

    /// `cnf.jkt` (RFC 9449 section 6.1). A binding of any other kind is refused: we could not enforce it.
    pub(crate) fn thumbprint(&self) -> Result<Option<String>, Error> {
        let Some(confirmation) = self.0.get("cnf") else { return Ok(None) };
        let members = confirmation.as_object().filter(|members| members.len() == 1);
        let jkt = members.and_then(|members| members.get("jkt")).and_then(Value::as_str);
        let jkt = jkt.ok_or(Error::Claims("cnf"))?;
        check_hash("cnf", jkt)?;
        Ok(Some(jkt.to_owned()))
    }
}
