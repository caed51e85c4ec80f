//! JSON that everybody reads the same way: no member twice, no deeper than [`DEPTH_MAX`], no number that RFC 8785 cannot
//! write so that it is read again as it was.
//!
//! RFC 8259 leaves members that stand twice to the reader, and readers differ; RFC 8785 asks for I-JSON (RFC 7493), where
//! integers end at 2^53-1: beyond that one verifier rounds, and another refuses.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How deep values may be nested. Less than common readers take, and so an envelope around such a value is read as well.
pub const DEPTH_MAX: usize = 64;

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJson(String);

/// How deep whole envelopes, and lists of them, may be nested: as deep as common readers go.
const DEEP_MAX: usize = 100;

/// Reads one value and nothing after it.
pub fn read(text: &str) -> Result<Value, NotJson> {
    read_within(text, DEPTH_MAX)
}

/// The same for what holds such values.
pub(crate) fn read_deep(text: &str) -> Result<Value, NotJson> {
    read_within(text, DEEP_MAX)
}

fn read_within(text: &str, depth: usize) -> Result<Value, NotJson> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict(depth).deserialize(&mut reader).map_err(|error| NotJson(error.to_string()))?;
    reader.end().map_err(|error| NotJson(error.to_string()))?;
    Ok(value)
}

/// Whether a number comes out of every reader as it went in.
pub(crate) fn is_exact(number: &Number) -> bool {
    const MAX: u64 = (1 << 53) - 1;
    if let Some(number) = number.as_i64() {
        return number.unsigned_abs() <= MAX;
    }
    // Beyond 64 bits, or with a fraction. From 10^21 on RFC 8785 writes an exponent, and no reader takes that for an
    // integer.
    !number.is_u64()
        && number
            .as_f64()
            .is_some_and(|number| number.abs() <= 9_007_199_254_740_991.0 || number.abs() >= 1e21)
}

/// Reads a value so many levels deep.
#[derive(Clone, Copy)]
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deeply"))
    }

    fn number<E: serde::de::Error>(number: Number) -> Result<Value, E> {
        if is_exact(&number) {
            Ok(Value::Number(number))
        } else {
            Err(E::custom("an integer beyond 2^53-1 is not the same to everybody; write it as text"))
        }
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Self::number(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Self::number(value.into())
    }

    #[allow(clippy::disallowed_types, reason = "what agents say may have fractions; it is no money of ours")]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Self::number(Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (inner, mut array) = (self.deeper()?, Vec::new());
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let (inner, mut object) = (self.deeper()?, Map::new());
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_everybody_reads_the_same() {
        for good in [
            r#"{"a":{"b":[1,-2,null,true,"x",1.5,1e400000]}}"#.replace("1e400000", "1e300").as_str(),
            "9007199254740991",
            "-9007199254740991",
            "1e21",
            "0.1",
            "-0.0",
            &format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)),
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"a":{"b":1,"b":2}}]"#,
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "12345678901234567890123456789".get(..20).unwrap(),
            "9007199254740993.0",
            "1e20",
            "1e400",
            r#""\ud800""#,
            "1 1",
            "{",
            "",
            &format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1)),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
