//! Answers that are kept: a node that costs nothing, for measuring what asks it.

use serde_json::Value;
use std::collections::BTreeMap;

/// The answers to questions of a kind. Two questions are of one kind if they call the same function of the same contract,
/// whatever its arguments, or the same method with the same parameters.
#[derive(Debug, Default)]
pub(super) struct Canned(BTreeMap<String, Value>);

impl Canned {
    /// What was answered to a question of this kind; `None` if one of its calls is new.
    pub(super) fn answer(&self, asked: &Value) -> Option<Value> {
        match asked {
            Value::Array(calls) => calls.iter().map(|call| self.one(call)).collect(),
            call => self.one(call),
        }
    }

    fn one(&self, call: &Value) -> Option<Value> {
        let mut answer = self.0.get(&kind(call)?)?.clone();
        answer.as_object_mut()?.insert("id".to_owned(), call.get("id").cloned().unwrap_or_default());
        Some(answer)
    }

    /// Keeps what the node told; refusals are not worth keeping.
    pub(super) fn keep(&mut self, asked: &Value, told: &Value) {
        let (asked, told) = match (asked, told) {
            (Value::Array(asked), Value::Array(told)) => (asked.iter().collect(), told.iter().collect()),
            (asked, told) => (vec![asked], vec![told]),
        };
        for (call, answer) in asked.into_iter().zip(told) {
            if let Some(kind) = kind(call).filter(|_| answer.get("result").is_some()) {
                self.0.insert(kind, answer.clone());
            }
        }
    }
}

fn kind(call: &Value) -> Option<String> {
    /// `0x` and the four bytes that name a function.
    const SELECTOR: usize = 10;
    let method = call.get("method")?.as_str()?;
    let params = call.get("params").unwrap_or(&Value::Null);
    let Some(target) = params.get(0).filter(|first| first.get("to").is_some()) else {
        return Some(format!("{method} {params}"));
    };
    let data = target.get("data").or_else(|| target.get("input")).and_then(Value::as_str).unwrap_or_default();
    let selector = data.get(..SELECTOR).unwrap_or(data);
    Some(format!("{method} {} {selector}", target.get("to")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(id: u64, data: &str) -> Value {
        json!({ "id": id, "method": "eth_call", "params": [{ "to": "0xa", "data": data }, "latest"] })
    }

    #[test]
    fn a_function_of_a_contract_answers_as_it_did() {
        let mut canned = Canned::default();
        canned.keep(&call(1, "0x0102030405"), &json!({ "id": 1, "result": "0x7" }));
        assert_eq!(canned.answer(&call(9, "0x01020304ff")), Some(json!({ "id": 9, "result": "0x7" })));
        assert_eq!(canned.answer(&call(9, "0x0102030505")), None, "another function");
        assert_eq!(canned.answer(&json!([call(2, "0x01020304"), call(3, "0x99")])), None, "one is new");
    }

    #[test]
    fn a_refusal_is_asked_again() {
        let mut canned = Canned::default();
        canned.keep(&call(1, "0x01020304"), &json!({ "id": 1, "error": { "code": -32000 } }));
        assert_eq!(canned.answer(&call(2, "0x01020304")), None);
    }
}
