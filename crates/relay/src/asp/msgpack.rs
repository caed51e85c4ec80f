//! MessagePack: the same frames in other bytes, for connections of the subprotocol [`SUBPROTOCOL`]. What is kept, hashed and
//! signed is JSON all the same.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::fmt;

/// How a client asks for it.
pub(crate) const SUBPROTOCOL: &str = "asp.msgpack";

/// How a client asks for what it would have anyway.
pub(crate) const PLAIN: &str = "asp.json";

/// How deep values may be nested: deeper than envelopes may be, whose reader says so better.
const DEPTH_MAX: usize = 100;

/// A frame as JSON; `None` if it is not one. Members stand as they stood, twice if they did: whoever reads it decides.
pub(crate) fn to_json(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    let mut rest = bytes;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    reader.set_max_depth(DEPTH_MAX);
    Writer(&mut text).deserialize(&mut reader).ok()?;
    rest.is_empty().then_some(text)
}

/// A frame of ours as MessagePack.
pub(crate) fn from_json(text: &str) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_str(text).ok()?;
    rmp_serde::to_vec(&value).ok()
}

/// Writes a value behind what there is.
struct Writer<'a>(&'a mut String);

impl Writer<'_> {
    fn push<E: serde::de::Error>(self, value: &impl serde::Serialize) -> Result<(), E> {
        self.0.push_str(&serde_json::to_string(value).map_err(E::custom)?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Writer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON has as well")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push(&())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(&value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(&value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.push(&value)
    }

    #[allow(clippy::disallowed_types, reason = "what agents say may have fractions; it is no money of ours")]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.push(&Number::from_f64(value).ok_or_else(|| E::custom("no number of JSON's"))?)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.push(&value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push('[');
        let mut first = true;
        loop {
            let mark = self.0.len();
            if !std::mem::take(&mut first) {
                self.0.push(',');
            }
            if items.next_element_seed(Writer(self.0))?.is_none() {
                self.0.truncate(mark);
                self.0.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.push('{');
        let mut first = true;
        while let Some(name) = members.next_key::<String>()? {
            if !std::mem::take(&mut first) {
                self.0.push(',');
            }
            self.0.push_str(&serde_json::to_string(&name).map_err(A::Error::custom)?);
            self.0.push(':');
            members.next_value_seed(Writer(self.0))?;
        }
        self.0.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"type":"pong"}`, by the specification of MessagePack.
    const PONG: &[u8] = b"\x81\xa4type\xa4pong";

    #[test]
    fn bytes_are_those_of_the_specification() {
        assert_eq!(to_json(PONG).as_deref(), Some(r#"{"type":"pong"}"#));
        assert_eq!(from_json(r#"{"type":"pong"}"#).as_deref(), Some(PONG));
        for (bytes, text) in [
            (&b"\xc0"[..], "null"),
            (b"\x93\x01\xff\xc3", "[1,-1,true]"),
            (b"\xcb\x40\x0c\x00\x00\x00\x00\x00\x00", "3.5"),
            (b"\xca\x40\x60\x00\x00", "3.5"),
            (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
            (b"\xa3\"\\\n", r#""\"\\\n""#),
            (b"\x90", "[]"),
            (b"\x80", "{}"),
            (b"\x82\xa1a\x91\x80\xa1a\xc2", r#"{"a":[{}],"a":false}"#),
        ] {
            assert_eq!(to_json(bytes).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_json_has_not_is_no_frame() {
        let deep: Vec<u8> = std::iter::repeat_n(0x91, 200).chain([0xc0]).collect();
        for bad in [
            &b""[..],
            b"\x81\xa4type",
            b"\xc0\xc0",
            b"\xc1",
            // Not a number, bytes, an extension, a key that is no text.
            b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
            b"\xc4\x01x",
            b"\xd4\x01\x00",
            b"\x81\x01\x01",
            // Four gigabytes are announced, and none come.
            b"\xdb\xff\xff\xff\xff",
            b"\xdd\xff\xff\xff\xff",
            b"\xa1\xff",
            &deep,
        ] {
            assert_eq!(to_json(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn there_and_back_is_the_same() {
        let text = r#"{"a":[1,2.5,-3,"é",null,true,{"b":1e+300}],"c":9007199254740991}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let back = to_json(&from_json(text).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), value);
    }
}
