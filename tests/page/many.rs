//! Ten thousand sessions.

use crate::rig::{is_sound, look};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::model::{Intent, Landing};
use tollwire_ledger::{Clock as _, Command, Ledger as _, SystemClock};
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::settings::{Feed, PROVIDER, Settings};
use tollwire_x402::{PaymentId, SessionId, Unit, Usdc};

const SESSIONS: u64 = 10_000;

/// A wallet that bought one of them.
const WALLET: &str = "0x00000000000000000000000000000000000004d2";

fn session(number: u64) -> SessionId {
    format!("{number:08x}-0000-4000-8000-000000000000").parse().unwrap()
}

fn wallet(number: u64) -> String {
    format!("0x{number:040x}")
}

/// Sells one session, as the settler would.
async fn sell(ledger: &EmbeddedLedger, number: u64) {
    let payer = wallet(number);
    let payment: PaymentId = format!("eip155:84532/0xusdc/{payer}/0x{number:064x}").parse().unwrap();
    let intent = Intent {
        session: session(number),
        feed: "ticks".parse().unwrap(),
        unit: Unit::Stream,
        units: 10,
        amount: Usdc::from_atomic(100_000).unwrap(),
        tariff: 1,
        network: "eip155:84532".parse().unwrap(),
        chain: "dev".into(),
        asset: "0xusdc".into(),
        payer,
        pay_to: PROVIDER.into(),
        quote: None,
        claim: None,
        valid_before: SystemClock.now().secs() + 300,
        payload: "{}".into(),
        balance_ttl_ms: 30 * 24 * 3_600_000,
        plain: false,
        top_up: false,
        jkt: None,
        provider: Some(PROVIDER.into()),
    };
    let landing = Landing { tx: format!("0x{number:064x}"), block: number, gas: Usdc::ZERO };
    let record = Command::Record { payment: payment.clone(), intent: Box::new(intent) };
    let credit = Command::Credit { payment, session: session(number), landing };
    for command in [record, credit] {
        let _done = ledger.apply(command).await.unwrap();
    }
    // Every tenth is over.
    if number.is_multiple_of(10) {
        let _done = ledger.apply(Command::Revoke { session: session(number) }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sessions_do_not_stall_the_page() {
    let upstream = SampleFeed::start(Mode::Silent).await.unwrap();
    let mut node = Facilitator::start(Settings::dev(vec![Feed::ticks(upstream.url("/stream"))])).await;
    node.kill().await;
    {
        let ledger =
            EmbeddedLedger::open(node.folder().join("facilitator.db"), Arc::new(SystemClock)).unwrap();
        let numbers: Vec<u64> = (1..=SESSIONS).collect();
        for some in numbers.chunks(1_000) {
            join_all(some.iter().map(|number| sell(&ledger, *number))).await;
        }
    }
    node.restart().await;
    let seen = look("many", &node).env("WALLET", WALLET).result().await;
    is_sound(&seen, &node.admin_url(""));
    println!("{seen}");
    assert_eq!(seen["rows"], 50, "the page holds what it shows, and no more");
    assert_eq!(seen["exported"], SESSIONS + 1, "with a head");
    let millis = |name: &str| Duration::from_millis(seen[name].as_u64().unwrap());
    assert!(millis("longest") < Duration::from_millis(500), "the page stood still: {seen}");
    for turn in seen["turns"].as_array().unwrap() {
        assert!(turn.as_u64().unwrap() < 5_000, "{seen}");
    }
    for name in ["first", "narrowed", "found"] {
        assert!(millis(name) < Duration::from_secs(10), "{name}: {seen}");
    }
}
