//! Control messages on a stream, and what upstreams might send in their place.

use super::Cases;
use crate::Control;
use crate::forge::{Draft, NOW, SESSION};
use serde_json::Value;

/// As sent: white space, escapes and all.
const DATA: &str = "{\"x402Version\":2, \"error\":\"low balance \\u2014 top up\",\"accepts\":[]}";

pub(super) fn add(cases: &mut Cases<'_>) {
    let good = Draft::control(&cases.keys.current, DATA);
    for (name, draft) in [
        ("EdDSA", good.clone()),
        ("five minutes old", good.clone().claim("iat", NOW - 300)),
        ("five minutes ahead", good.clone().claim("iat", NOW + 300)),
        ("claims nobody knows are ignored", good.clone().claim("exp", 1)),
    ] {
        cases.control(name, &draft, "ok");
    }
    let es256 = Draft::control(&cases.keys.es256, DATA);
    let jws = cases.sign_once("control: ES256", &es256, &cases.keys.es256);
    cases.push_control(Control { jws, ..message("ES256", "ok") });
    let nameless = good.clone().raw_claim("id", "null").sign(&cases.keys.current);
    cases.push_control(Control { id: None, jws: nameless.clone(), ..message("without an id", "ok") });
    cases.push_control(Control { jws: nameless, ..message("an id put in", "content") });

    let jws = good.sign(&cases.keys.current);
    for control in [
        Control { id: None, ..message("its id taken out", "content") },
        Control { id: Some("q2".into()), ..message("under another id", "content") },
        Control { r#type: "x402/receipt".into(), ..message("under another type", "content") },
        Control { data: DATA.replace(", ", ","), ..message("data written anew", "content") },
        Control { data: "{}".into(), ..message("other data", "content") },
        Control { data: String::new(), ..message("no data", "content") },
        Control {
            session: "11111111-9dc0-4acd-b245-5ffdce74fad2".into(),
            ..message("on another session's stream", "audience")
        },
        Control { now: NOW + 301, ..message("replayed after five minutes", "expired") },
    ] {
        cases.push_control(Control { jws: jws.clone(), ..control });
    }
    forged(cases, &good);
}

fn forged(cases: &mut Cases<'_>, good: &Draft) {
    for (name, jws, expect) in [
        ("empty", String::new(), "malformed"),
        ("by another key under our key's name", good.sign(&cases.keys.foreign), "signature"),
        (
            "by a key we do not know",
            Draft::control(&cases.keys.foreign, DATA).sign(&cases.keys.foreign),
            "unknown_key",
        ),
        ("alg none", good.clone().header("alg", "none").signature(&[]), "algorithm"),
        (
            "with a key in its header",
            good.clone().header("jwk", cases.keys.foreign.jwk()).sign(&cases.keys.foreign),
            "header",
        ),
        ("a session token", cases.good().sign(&cases.keys.current), "type"),
        ("a receipt", Draft::receipt(&cases.keys.current).sign(&cases.keys.current), "type"),
    ] {
        cases.push_control(Control { jws, ..message(name, expect) });
    }
    for (name, draft, expect) in [
        ("another issuer", good.clone().claim("iss", "https://evil.example"), "issuer"),
        ("301 seconds ahead", good.clone().claim("iat", NOW + 301), "not_yet_valid"),
        ("aud missing", good.clone().claim("aud", Value::Null), "audience"),
        ("iat missing", good.clone().claim("iat", Value::Null), "claims"),
        ("type missing", good.clone().claim("type", Value::Null), "claims"),
        ("id missing", good.clone().claim("id", Value::Null), "claims"),
        ("id empty", good.clone().claim("id", ""), "claims"),
        ("id of 65 characters", good.clone().claim("id", "i".repeat(65)), "claims"),
        ("sha256 missing", good.clone().claim("sha256", Value::Null), "claims"),
        ("sha256 in hex", good.clone().claim("sha256", "ab".repeat(32)), "claims"),
    ] {
        cases.control(name, &draft, expect);
    }
}

fn message(name: &str, expect: &str) -> Control {
    Control {
        name: format!("control: {name}"),
        now: NOW,
        session: SESSION.into(),
        r#type: "x402/payment-required".into(),
        id: Some("q1".into()),
        data: DATA.into(),
        expect: expect.into(),
        jws: String::new(),
    }
}

impl Cases<'_> {
    fn control(&mut self, name: &str, draft: &Draft, expect: &str) {
        let jws = draft.sign(&self.keys.current);
        self.push_control(Control { jws, ..message(name, expect) });
    }

    fn push_control(&mut self, control: Control) {
        assert!(self.controls.iter().all(|vector| vector.name != control.name), "{}", control.name);
        self.controls.push(control);
    }
}
