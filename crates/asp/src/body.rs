//! What the body of a message must hold, by its performative.

use crate::performative::Performative;
use crate::time::Millis;
use serde_json::Value;

/// The longest id within a body, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Whether the body of a message is as its performative wants it; else what is wrong. Members that are not named here are
/// the participants' own.
pub(crate) fn check(performative: Performative, body: &Value) -> Result<(), String> {
    let body = Body(body);
    if !body.0.is_object() {
        return Err("content.body is an object".to_owned());
    }
    match performative {
        Performative::Propose => {
            body.id("proposalId")?;
            body.text("type")?;
            body.text("subject")?;
            body.object("terms")?;
            body.time_if_any("validUntil")
        }
        Performative::Counter => {
            body.id("referenceId")?;
            body.id("counterProposalId")?;
            body.text("subject")?;
            body.object("terms")?;
            body.text_if_any("rejectionReason")?;
            body.bool_if_any("final")
        }
        Performative::Commit => {
            body.id("commitmentId")?;
            body.time("deadline")?;
            let terms = body.object("terms")?;
            terms.array("obligations")?;
            terms.present("penalties")?;
            let escrow = body.object("escrow")?;
            escrow.present("amount")?;
            escrow.text("currency")?;
            escrow.present("releaseCondition")
        }
        Performative::Query => {
            body.id("queryId")?;
            body.text("queryType")?;
            body.text("subject")?;
            body.present("parameters")
        }
        Performative::Accept | Performative::Reject | Performative::Withdraw => {
            if body.has("referenceId") {
                body.id("referenceId")
            } else {
                Ok(())
            }
        }
        Performative::Inform
        | Performative::Clarify
        | Performative::Observe
        | Performative::Delegate
        | Performative::Escalate
        | Performative::Close => Ok(()),
    }
}

/// An object whose members are asked for.
struct Body<'a>(&'a Value);

impl<'a> Body<'a> {
    fn has(&self, member: &str) -> bool {
        self.0.get(member).is_some()
    }

    fn present(&self, member: &str) -> Result<(), String> {
        if self.has(member) { Ok(()) } else { Err(format!("{member} is missing")) }
    }

    fn text(&self, member: &str) -> Result<&'a str, String> {
        let text = self.0.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("{member} is a text that is not empty"))
    }

    fn id(&self, member: &str) -> Result<(), String> {
        let text = self.text(member)?;
        if text.len() <= ID_BYTES_MAX { Ok(()) } else { Err(format!("{member} is too long")) }
    }

    fn object(&self, member: &str) -> Result<Self, String> {
        let object = self.0.get(member).filter(|value| value.is_object());
        object.map(Self).ok_or_else(|| format!("{member} is an object"))
    }

    fn array(&self, member: &str) -> Result<(), String> {
        let array = self.0.get(member).is_some_and(Value::is_array);
        if array { Ok(()) } else { Err(format!("{member} is a list")) }
    }

    fn time(&self, member: &str) -> Result<(), String> {
        let time = self.text(member).ok().and_then(Millis::read);
        time.map(drop).ok_or_else(|| format!("{member} is a time as RFC 3339 writes it"))
    }

    fn time_if_any(&self, member: &str) -> Result<(), String> {
        if self.has(member) { self.time(member) } else { Ok(()) }
    }

    fn text_if_any(&self, member: &str) -> Result<(), String> {
        let wrong = self.0.get(member).is_some_and(|value| !value.is_string());
        if wrong { Err(format!("{member} is a text")) } else { Ok(()) }
    }

    fn bool_if_any(&self, member: &str) -> Result<(), String> {
        let wrong = self.0.get(member).is_some_and(|value| !value.is_boolean());
        if wrong { Err(format!("{member} is true or false")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each body is good, and not any more when one of these members is taken out of it.
    #[test]
    fn what_is_required_is_missed() {
        let commit = json!({
            "commitmentId": "c", "terms": {"obligations": [], "penalties": {}}, "deadline": "2026-03-07T14:30:00Z",
            "escrow": {"amount": "1", "currency": "USDC", "releaseCondition": "delivery"}
        });
        for (performative, body, required) in [
            (
                Performative::Propose,
                json!({"proposalId": "p", "type": "terms", "subject": "s", "terms": {}, "validUntil": "2026-03-07T14:30:00Z"}),
                &["proposalId", "type", "subject", "terms"][..],
            ),
            (
                Performative::Counter,
                json!({"referenceId": "p", "counterProposalId": "q", "subject": "s", "terms": {}, "final": false}),
                &["referenceId", "counterProposalId", "subject", "terms"],
            ),
            (Performative::Commit, commit, &["commitmentId", "terms", "deadline", "escrow"]),
            (
                Performative::Query,
                json!({"queryId": "q", "queryType": "t", "subject": "s", "parameters": {}}),
                &["queryId", "queryType", "subject", "parameters"],
            ),
        ] {
            assert_eq!(check(performative, &body), Ok(()), "{performative}");
            for member in required {
                let mut less = body.clone();
                less.as_object_mut().unwrap().remove(*member);
                assert!(check(performative, &less).unwrap_err().contains(member), "{performative} {member}");
                less[*member] = json!([]);
                assert!(
                    *member == "parameters" || check(performative, &less).is_err(),
                    "{performative} {member}"
                );
            }
        }
        for performative in Performative::ALL {
            assert!(check(performative, &json!([])).is_err(), "{performative}");
        }
        assert!(check(Performative::Accept, &json!({"referenceId": ""})).is_err());
        assert!(
            check(
                Performative::Propose,
                &json!({"proposalId": "p".repeat(129), "type": "t", "subject": "s", "terms": {}})
            )
            .is_err()
        );
        assert_eq!(check(Performative::Inform, &json!({})), Ok(()));
    }
}
