//! An independent verifier, in Python, agrees about many random sessions: good ones, and ones in which something was changed.

use super::rig::key;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::io::{BufWriter, Seek as _, Write as _};
use std::process::{Command, Stdio};
use tokio::task::spawn_blocking;
use tollwire_asp::{Draft, Hash, MessageId, Millis, Place, Sender, SigningKey, Verifier, seal};
use tollwire_testkit::tools::workspace;

/// Sessions, unless `TOLLWIRE_ASP_SESSIONS` names another number.
const SESSIONS: usize = 10_000;

const KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// Texts like this; read once, which is most of the cost of making one.
fn like(pattern: &str) -> BoxedStrategy<String> {
    prop::string::string_regex(pattern).unwrap().boxed()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        like("-?[1-9][0-9]{0,8}\\.[0-9]{1,9}(e-?[0-9]{1,2})?")
            .prop_filter_map("a number", |text| tollwire_asp::json::read(&text).ok()),
        like("\\PC{0,12}").prop_map(Value::from),
    ];
    let name = like("\\PC{0,6}");
    leaf.prop_recursive(3, 16, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A session of these notes, and the number of the message that is changed, if one is.
fn session(key: &SigningKey, notes: Vec<Value>, changed: Option<usize>) -> Vec<Value> {
    let id = "ase_abc123".parse().unwrap();
    let agent: tollwire_asp::AgentUri = "agent://acme.com/alpha".parse().unwrap();
    let sender = Sender { agent, org: "org_acme".into(), trust: "72.5".parse().unwrap(), proof: None };
    let mut previous = Hash::GENESIS;
    let mut messages: Vec<Value> = Vec::new();
    for (at, note) in (1_u8..).zip(notes) {
        let (performative, body) = match at {
            1 => (
                "PROPOSE",
                json!({"proposalId": "p", "type": "session-invitation", "subject": "s", "terms": {"n": note}}),
            ),
            2 => ("WITHDRAW", json!({"n": note})),
            _ => break,
        };
        let draft =
            json!({"performative": performative, "content": {"body": body, "context": at}}).to_string();
        let time = Millis(1_772_893_800_000 + u64::from(at));
        let place = Place {
            session: &id,
            sequence: at.into(),
            id: MessageId::new(time, [at; 10]),
            at: time,
            previous,
        };
        let sealed = seal(&Draft::read(&draft).unwrap(), &sender, &place, key);
        previous = sealed.hash;
        messages.push(serde_json::from_str(&sealed.text).unwrap());
    }
    if let Some(message) = changed.and_then(|at| messages.get_mut(at)) {
        message["content"]["context"] = json!("changed");
    }
    messages
}

/// A hand's share: sessions, what our verifier says of them, and what Python says.
fn share(count: usize) -> (Vec<String>, Vec<String>) {
    let mut runner = TestRunner::new(Config::default());
    let plan = (prop::collection::vec(any_json(), 1..=2), prop::option::weighted(0.3, 0_usize..2));
    let (mut input, mut ours) = (BufWriter::new(tempfile::tempfile().unwrap()), Vec::new());
    // A key is made once: that takes as long as a signature.
    let (signing, verifying) = (SigningKey::from_hex(KEY).unwrap(), key());
    let published = verifying.to_string();
    for _ in 0..count {
        let (notes, changed) = plan.new_tree(&mut runner).unwrap().current();
        let messages = session(&signing, notes, changed);
        let mut verifier = Verifier::new(vec![verifying]);
        let fault = messages.iter().find_map(|message| verifier.next(message).err());
        ours.push(fault.map_or_else(|| "None".to_owned(), |fault| fault.sequence.to_string()));
        writeln!(input, "{}", json!({"key": published, "messages": messages})).unwrap();
    }
    let mut input = input.into_inner().unwrap();
    input.rewind().unwrap();
    let python = Command::new(tollwire_testkit::tools::python().unwrap())
        .arg(workspace().join("tests/relay/asp/verify.py"))
        .stdin(input)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(python.status.success());
    let theirs = String::from_utf8(python.stdout).unwrap().lines().map(str::to_owned).collect();
    (ours, theirs)
}

#[tokio::test]
async fn python_agrees() {
    let count = std::env::var("TOLLWIRE_ASP_SESSIONS").map_or(SESSIONS, |count| count.parse().unwrap());
    let hands = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shares = (0..hands).map(|_| spawn_blocking(move || share(count.div_ceil(hands))));
    let (mut agreed, mut changed) = (0, 0);
    for share in shares.collect::<Vec<_>>() {
        let (ours, theirs) = share.await.unwrap();
        assert_eq!(theirs, ours);
        agreed += ours.len();
        changed += ours.iter().filter(|found| *found != "None").count();
    }
    assert!(agreed >= count && (changed > 0 || count < 50), "{agreed} of {count}, {changed} changed");
}
