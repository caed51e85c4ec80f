//! The link between agent and node: cut, stalled for a while, gone without a FIN.

use crate::books::within_a_lease;
use crate::rig::{LEASE, Rig, UNITS};
use crate::stream::{Stream, kibs};
use crate::together;
use std::time::Duration;
use tollwire_testkit::link::Faults;
use tollwire_x402::Unit;

/// The largest payload that is one unit of `message`.
const BIG: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_gone_pays_for_what_was_sent_to_it_and_no_more() {
    together(vec![
        ("cut", tokio::spawn(cut())),
        ("stalled for a while", tokio::spawn(stalled_for_a_while())),
        ("gone without a word", tokio::spawn(gone_without_a_word())),
    ])
    .await;
}

async fn cut() {
    let rig = Rig::embedded().await;
    let streams = rig.streams().await;
    rig.agents.cut();
    for (account, stream) in &streams {
        assert_eq!(stream.ended().await.code, 1006);
        let books = rig.at_rest(account).await;
        let served = stream.served(account.unit);
        within_a_lease(account.unit, books.captured, (*served.start(), *served.end()), 1);
        assert!(books.captured >= *served.start(), "{:?} was given: {books:?}", account.unit);
        rig.serves_again(account).await;
    }
    rig.balanced().await;
}

async fn stalled_for_a_while() {
    let rig = Rig::embedded().await;
    let mut streams = rig.streams().await;
    rig.agents.set(Faults { stuck: true, ..Faults::default() });
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    rig.agents.set(Faults::default());
    for (account, stream) in &mut streams {
        stream.run(20).await;
        stream.leave().await;
        rig.exact(account, &[stream]).await;
    }
    rig.balanced().await;
}

/// Until buffers are full nobody can know; what they take is paid, as it was sent.
async fn gone_without_a_word() {
    let rig = Rig::start(None, BIG, |settings| {
        settings.limits.push_str("\nrenew_every = \"200ms\"");
        settings.limits = settings.limits.replace("lease_units = 100", "lease_units = 10000");
    })
    .await;
    let mut streams = Vec::new();
    for unit in UNITS {
        let account = rig.buy(unit, 100_000).await;
        let stream = rig.open(&account).await;
        stream.run(10).await;
        streams.push((account, stream));
    }
    rig.agents.set(Faults { stuck: true, ..Faults::default() });
    rig.pace.send_replace(Duration::from_millis(2));
    for (account, stream) in &streams {
        let books = rig.at_rest(account).await;
        let sent = sent(&rig, &account.jti);
        match account.unit {
            Unit::Message => assert_eq!(books.captured, sent.div_ceil(frame())),
            Unit::Kib => assert_eq!(books.captured, kibs(sent.div_ceil(frame()), BIG)),
            _ => {
                let served = seconds(stream);
                assert!((1..=served).contains(&books.captured), "{books:?}, {served} s");
            }
        }
    }
    rig.agents.cut();
    rig.agents.set(Faults::default());
    for (account, _) in &streams {
        rig.serves_again(account).await;
    }
    rig.balanced().await;
}

fn frame() -> u64 {
    u64::try_from(BIG).unwrap() + 10
}

/// Seconds from the stream's first moment until now, the one that has begun included.
fn seconds(stream: &Stream) -> u64 {
    stream.heard().asked.elapsed().as_secs() + 1
}

/// Upstream bytes that the node passed on in a session's only stream, as its log has it.
fn sent(rig: &Rig, jti: &str) -> u64 {
    let log = rig.node.output();
    let mut lines = log.lines().filter(|line| line.contains("stream ended") && line.contains(jti));
    let line = lines.next().unwrap_or_else(|| panic!("no end of {jti} in the log:\n{log}"));
    let number = line.split("from_upstream=").nth(1).unwrap();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}
