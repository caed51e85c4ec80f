//! The same requests to us and to the reference facilitator of npm: the same verdict for the same reason, or a
//! difference that stands in [`differences`] with what it is for. Never an error of ours.
//!
//! Each facilitator has a chain of its own, both begun alike, so that neither's settlements disturb the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod cases;
mod differences;
mod messages;
mod servers;
mod signatures;
mod verdict;

use cases::Case;
use differences::{Difference, Why};
use servers::Servers;
use verdict::{Call, Verdict};

/// Fewer would not be the comparison that the documents promise.
const CASES_MIN: usize = 60;

#[tokio::test]
async fn the_reference_facilitator_says_the_same() {
    let servers = Servers::start().await;
    let cases = cases::all(&servers.wallets);
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let (mut surprises, mut table, mut met) = (Vec::new(), Vec::new(), Vec::new());
    for case in &cases {
        for call in [Call::Verify, Call::Settle] {
            let (reference, ours) = servers.ask(call, &case.body).await;
            assert!(!ours.failed(), "{} {call:?}: ours is {ours}", case.name);
            table.push(format!("{:44} {:7} {reference:60} {ours}", case.name, call.path()));
            match differences::of(case.name, call) {
                None if reference == ours => {}
                None => surprises.push(line(case, call, &reference, &ours)),
                Some(known) => {
                    met.push(known.case);
                    if (known.reference, known.ours) != (&*reference.to_string(), &*ours.to_string()) {
                        surprises.push(line(case, call, &reference, &ours));
                    }
                }
            }
        }
    }
    println!("{}", table.join("\n"));
    assert!(surprises.is_empty(), "not as documented:\n{}", surprises.join("\n"));
    let stale: Vec<&Difference> =
        differences::ALL.iter().filter(|known| !met.contains(&known.case)).collect();
    assert!(stale.is_empty(), "differences of no case: {stale:?}");
}

fn line(case: &Case, call: Call, reference: &Verdict, ours: &Verdict) -> String {
    format!("{} {}: reference {reference}, ours {ours}", case.name, call.path())
}

/// Every reason for a difference is explained where operators read about it.
#[test]
fn differences_are_documented() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/facilitator.md")).unwrap();
    for why in Why::ALL {
        assert!(text.contains(why.title()), "docs/facilitator.md says nothing of: {}", why.title());
    }
    for known in differences::ALL {
        let row = format!("| {} | {} | {} | {} |", known.case, known.at.text(), known.reference, known.ours);
        let (_, section) = text.split_once(known.why.title()).unwrap();
        let (section, _) = section.split_once("\n### ").unwrap_or((section, ""));
        assert!(section.contains(&row), "docs/facilitator.md lacks under {:?}\n{row}", known.why.title());
    }
}
