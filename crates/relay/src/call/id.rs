//! The `id` of an envelope: text or a whole number, echoed as it came.

use serde_json::value::RawValue;

/// The longest id, in characters of its text or digits of its number.
const ID_CHARS_MAX: usize = 128;

/// An id. Two that mean the same are equal, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Text(String),
    Number(String),
}

impl Id {
    /// Reads one; `None` for anything else.
    pub(super) fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        if text.starts_with('"') {
            let text: String = serde_json::from_str(text).ok()?;
            return (text.chars().count() <= ID_CHARS_MAX).then_some(Self::Text(text));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (whole && digits.len() <= ID_CHARS_MAX).then(|| Self::Number(text.to_owned()))
    }
}

/// As JSON, of the type it came with.
impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            // Not as a number of ours: it may have more digits than those.
            Self::Number(digits) => match RawValue::from_string(digits.clone()) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_none(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Id> {
        Id::read(&RawValue::from_string(text.into()).unwrap())
    }

    #[test]
    fn ids_come_back_as_they_came() {
        for text in [r#""c1""#, "7", "-7", "0", r#""""#, "123456789012345678901234567890"] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        assert_eq!(read(r#""\u0063""#), read(r#""c""#));
        assert_ne!(read(r#""7""#), read("7"));
        let (longest, long) = (format!("\"{}\"", "x".repeat(128)), format!("\"{}\"", "x".repeat(129)));
        assert!(read(&longest).is_some());
        for bad in ["1.5", "1e3", "true", "{}", "[1]", "null", r#""\ud800""#, &long] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
