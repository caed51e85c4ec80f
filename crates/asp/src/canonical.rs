//! Canonical JSON (RFC 8785): one text for one value, whoever writes it.

use crate::json::is_exact;
use serde_json::Value;

/// Why a value has no canonical text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// It holds an integer beyond 2^53-1.
    #[error("an integer beyond 2^53-1 is not the same to everybody; write it as text")]
    Number,
    /// It holds something that JSON cannot write.
    #[error("this cannot be written as JSON")]
    Unwritable,
}

/// The canonical text of a value.
pub fn text(value: &Value) -> Result<String, NotCanonical> {
    if !all_exact(value) {
        return Err(NotCanonical::Number);
    }
    serde_json_canonicalizer::to_string(value).map_err(|_| NotCanonical::Unwritable)
}

fn all_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_exact(number),
        Value::Array(items) => items.iter().all(all_exact),
        Value::Object(members) => members.values().all(all_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(json: &str) -> Result<String, NotCanonical> {
        text(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn as_rfc_8785_says() {
        for (json, expected) in [
            // Its own examples, sections 3.2.3 and 3.2.4.
            (
                r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
                r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
            ),
            (
                r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
            ),
            // By UTF-16, not by UTF-8.
            ("{\"\u{e000}\":1,\"\u{1f600}\":2}", "{\"\u{1f600}\":2,\"\u{e000}\":1}"),
            ("[4.00,-0,1e21,9007199254740991]", "[4,0,1e+21,9007199254740991]"),
        ] {
            assert_eq!(canonical(json).as_deref(), Ok(expected), "{json}");
        }
        assert_eq!(canonical("[9007199254740993]"), Err(NotCanonical::Number));
        assert_eq!(canonical(r#"{"a":{"b":1e20}}"#), Err(NotCanonical::Number));
    }
}
