//! Verifying whole sessions: good ones, and each kind of bad one. The same sessions are `tests/vectors/asp.json`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use tollwire_asp::{
    Draft, Envelope, Hash, Head, Machine, MessageId, Millis, Place, Said, Sealed, Sender, SigningKey,
    Transcript, Verifier, seal,
};

const KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const OTHER_KEY: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const ALPHA: &str = "agent://acme.com/procurement/alpha";
const BETA: &str = "agent://cloudprime.io/gpu/beta";
const BEGUN: u64 = 1_772_893_800_000;

fn key() -> SigningKey {
    SigningKey::from_hex(KEY).unwrap()
}

/// A session that is spoken into.
struct Speech {
    messages: Vec<Sealed>,
    machine: Machine,
    key: SigningKey,
}

impl Speech {
    fn new() -> Self {
        Self { messages: Vec::new(), machine: Machine::default(), key: key() }
    }

    #[allow(clippy::needless_pass_by_value, reason = "bodies are written where they are said")]
    fn say(&mut self, by: &str, performative: &str, body: Value) {
        self.seal(by, performative, &body, true);
    }

    /// Adds a message, whether it may be said or not.
    fn seal(&mut self, by: &str, performative: &str, body: &Value, allowed: bool) {
        let draft = json!({"performative": performative, "content": {"body": body}}).to_string();
        let draft = Draft::read(&draft).unwrap_or_else(|refused| panic!("{refused}: {draft}"));
        let sequence = u64::try_from(self.messages.len()).unwrap() + 1;
        let at = Millis(BEGUN + sequence * 1_000);
        let agent = by.parse().unwrap();
        if allowed {
            let said = Said { by: &agent, performative: draft.performative, body: draft.body() };
            self.machine = self.machine.after(&said, at).unwrap();
        }
        let sender = Sender { agent, org: "org_a".into(), trust: "72.5".parse().unwrap(), proof: None };
        let session = "ase_abc123".parse().unwrap();
        let previous = self.messages.last().map_or(Hash::GENESIS, |sealed| sealed.hash);
        let mut random = [0; 10];
        random[9] = u8::try_from(sequence % 256).unwrap();
        let place = Place { session: &session, sequence, id: MessageId::new(at, random), at, previous };
        self.messages.push(seal(&draft, &sender, &place, &self.key));
    }

    fn values(&self) -> Vec<Value> {
        self.messages.iter().map(|sealed| serde_json::from_str(&sealed.text).unwrap()).collect()
    }
}

/// A negotiation from invitation to end.
fn negotiation() -> Speech {
    let mut speech = Speech::new();
    let proposal = |id: &str, kind: &str| json!({"proposalId": id, "type": kind, "subject": "GPU compute", "terms": {"pricePerHour": 3.5}});
    speech.say(ALPHA, "PROPOSE", proposal("inv", "session-invitation"));
    speech.say(BETA, "ACCEPT", json!({"referenceId": "inv"}));
    speech.say(ALPHA, "PROPOSE", proposal("prop_001", "terms"));
    speech.say(BETA, "COUNTER", json!({"referenceId": "prop_001", "counterProposalId": "prop_002", "subject": "s", "terms": {"pricePerHour": 4.0}, "\u{e000}": 1, "\u{1f600}": 2}));
    speech.say(ALPHA, "COMMIT", json!({"commitmentId": "c", "terms": {"obligations": [], "penalties": {}}, "deadline": "2026-03-07T15:00:00Z", "escrow": {"amount": "4", "currency": "USDC", "releaseCondition": "delivery"}}));
    speech.say(BETA, "ACCEPT", json!({}));
    speech.say(ALPHA, "INFORM", json!({"note": "thanks \u{20ac}\u{0}"}));
    speech.say(ALPHA, "CLOSE", json!({}));
    speech
}

fn verify(messages: &[Value], head: Option<Head>) -> Result<String, String> {
    let mut verifier = Verifier::new(vec![key().verifying_key()]);
    for message in messages {
        verifier.next(message).map_err(|fault| fault.to_string())?;
    }
    verifier.finish(head).map(|report| report.state.to_string()).map_err(|fault| fault.to_string())
}

/// Name, messages, expected head, what becomes of it.
type Case = (&'static str, Vec<Value>, Option<Head>, Result<&'static str, &'static str>);

/// All sessions that `asp.json` has.
#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let good = negotiation().values();
    let head = |messages: &[Value]| {
        let last = Envelope::of(messages.last().unwrap().clone()).unwrap();
        Head { sequence: last.sequence, hash: last.hash }
    };
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut messages = negotiation().values();
        change(&mut messages);
        messages
    };
    let forged = {
        let mut speech = negotiation();
        speech.key = SigningKey::from_hex(OTHER_KEY).unwrap();
        speech.messages.truncate(3);
        speech.seal(BETA, "INFORM", &json!({}), false);
        speech.values()
    };
    let unsayable = {
        let mut speech = negotiation();
        speech.messages.truncate(2);
        speech.seal(ALPHA, "ACCEPT", &json!({}), false);
        speech.values()
    };
    let end = head(&good);
    vec![
        ("a whole negotiation", good.clone(), Some(end), Ok("CLOSED")),
        ("as much of it as there is", good[..4].to_vec(), None, Ok("CONVERSING")),
        ("nothing at all", Vec::new(), None, Ok("IDLE")),
        (
            "the end is missing",
            good[..6].to_vec(),
            Some(end),
            Err("message 7: the session's head should be message 8"),
        ),
        (
            "one is missing",
            with(&|m| drop(m.remove(3))),
            Some(end),
            Err("message 4: it says that it is message 5"),
        ),
        (
            "the first is missing",
            with(&|m| drop(m.remove(0))),
            None,
            Err("message 1: it says that it is message 2"),
        ),
        (
            "two in another order",
            with(&|m| m.swap(2, 3)),
            None,
            Err("message 3: it says that it is message 4"),
        ),
        (
            "one stands twice",
            with(&|m| m.insert(2, m[1].clone())),
            None,
            Err("message 3: it says that it is message 2"),
        ),
        (
            "another number",
            with(&|m| m[4]["sequenceNumber"] = json!(6)),
            None,
            Err("message 5: it says that it is message 6"),
        ),
        (
            "a price was changed",
            with(&|m| m[3]["content"]["body"]["terms"]["pricePerHour"] = json!(3)),
            None,
            Err("message 4: its hash"),
        ),
        ("a member was added", with(&|m| m[1]["note"] = json!("x")), None, Err("message 2: its hash")),
        (
            "a time was changed",
            with(&|m| m[1]["timestamp"] = json!("2026-03-07T14:30:02.001Z")),
            None,
            Err("message 2: its hash"),
        ),
        (
            "a time before the one before",
            with(&|m| m[1]["timestamp"] = json!("2026-03-07T14:00:00.000Z")),
            None,
            Err("message 2: it is earlier"),
        ),
        (
            "another previous hash",
            with(&|m| m[5]["integrity"]["previousHash"] = m[3]["integrity"]["hash"].clone()),
            None,
            Err("message 6: its previousHash"),
        ),
        (
            "another's signature",
            with(&|m| m[5]["integrity"]["signature"] = m[4]["integrity"]["signature"].clone()),
            None,
            Err("message 6: its signature"),
        ),
        (
            "another session's",
            with(&|m| m[2]["sessionId"] = json!("ase_other")),
            None,
            Err("message 3: it is of another session"),
        ),
        ("another key", forged, None, Err("message 4: its signature")),
        (
            "what could not be said there",
            unsayable,
            None,
            Err("message 3: ACCEPT is not valid in the INTRODUCED state"),
        ),
        ("another version", with(&|m| m[0]["version"] = json!("asp/1.0")), None, Err("message 1: version")),
        (
            "an integer that is not the same to everybody",
            with(&|m| m[6]["content"]["body"]["n"] = json!(9_007_199_254_740_993_u64)),
            None,
            Err("message 7: not JSON"),
        ),
        (
            "no hash",
            with(&|m| drop(m[7]["integrity"].as_object_mut().unwrap().remove("hash"))),
            None,
            Err("message 8: integrity/hash"),
        ),
    ]
}

#[test]
fn the_first_bad_message_is_named() {
    for (name, messages, head, expected) in cases() {
        match (verify(&messages, head), expected) {
            (Ok(state), Ok(expected)) => assert_eq!(state, expected, "{name}"),
            (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{name}: {found}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn the_vectors_are_these_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/asp.json");
    let sessions: Vec<Value> = cases()
        .into_iter()
        .map(|(name, messages, head, expected)| {
            let (state, bad) = match expected {
                Ok(state) => (json!(state), Value::Null),
                Err(text) => {
                    let number = text.split([' ', ':']).nth(1).unwrap().parse::<u64>().unwrap();
                    (Value::Null, json!(number))
                }
            };
            let head =
                head.map(|head| json!({"sequenceNumber": head.sequence, "hash": head.hash.to_string()}));
            json!({"name": name, "messages": messages, "head": head, "state": state, "first_bad": bad})
        })
        .collect();
    let key = key();
    let all =
        json!({"private_key": KEY, "public_key": key.verifying_key().to_string(), "sessions": sessions});
    let text = format!("{}\n", serde_json::to_string_pretty(&all).unwrap());
    if std::env::var_os("TOLLWIRE_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run with TOLLWIRE_WRITE_VECTORS=1");
}

#[test]
fn a_transcript_is_lines_or_a_list_or_an_object() {
    let speech = negotiation();
    let lines = speech.messages.iter().map(|sealed| sealed.text.as_str()).collect::<Vec<_>>().join("\n");
    let list = Value::from(speech.values()).to_string();
    let x = key().verifying_key().x();
    let object =
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}], "messages": speech.values()}).to_string();
    for text in [&lines, &list, &object] {
        let read = Transcript::read(text).unwrap();
        assert_eq!(verify(&read.messages, None).as_deref(), Ok("CLOSED"));
    }
    assert_eq!(Transcript::read(&object).unwrap().keys, [key().verifying_key()]);
    let mut torn: Vec<String> = speech.messages.iter().map(|sealed| sealed.text.clone()).collect();
    torn[2] = torn[2].replacen("\"messageId\"", "\"sessionId\":\"x\",\"messageId\"", 1);
    let within = format!("{{\"messages\":[{}]}}", torn.join(","));
    for torn in [torn.join("\n"), format!("[{}]", torn.join(",")), within] {
        let unreadable = Transcript::read(&torn).unwrap_err().to_string();
        assert!(unreadable.starts_with("message 3: "), "a member stands twice: {unreadable}");
    }
    for bad in ["{", r#"{"messages":1}"#, r#"{"messages":[],"keys":[{}]}"#, r#"{"messages":[],"head":{}}"#] {
        assert!(Transcript::read(bad).is_err(), "{bad}");
    }
    assert!(Transcript::read("").unwrap().messages.is_empty());
    assert!(Transcript::read(r#"{"messages":[],"messages":[]}"#).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        "-?[0-9]{1,9}\\.[0-9]{1,9}(e-?[0-9]{1,2})?".prop_filter_map("a number", |text| {
            tollwire_asp::json::read(text.trim_start_matches('0'))
                .or_else(|_| tollwire_asp::json::read(&text))
                .ok()
        }),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is said verifies, in the bytes in which it was kept, and not any more when one character of it is another.
    #[test]
    fn what_is_sealed_verifies_and_nothing_else(note in any_json(), place in any::<prop::sample::Index>()) {
        let mut speech = Speech::new();
        speech.say(ALPHA, "PROPOSE", json!({"proposalId": "p", "type": "session-invitation", "subject": "s", "terms": {"n": note}}));
        let text = &speech.messages[0].text;
        prop_assert_eq!(&tollwire_asp::canonical::text(&serde_json::from_str(text).unwrap()).unwrap(), text);
        prop_assert_eq!(verify(&speech.values(), None), Ok("INVITED".to_owned()));
        let mut characters: Vec<char> = text.chars().collect();
        let at = place.index(characters.len());
        characters[at] = if characters[at] == '1' { '2' } else { '1' };
        let changed: String = characters.into_iter().collect();
        if let Ok(read) = Transcript::read(&changed) {
            prop_assert!(verify(&read.messages, None).is_err());
        }
    }
}
