//! The conformance runner finds nothing to say against our facilitator, and finds what is wrong with others.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Output;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::facilitator::{Facilitator, binary};
use tollwire_tests::settings::{Feed, Settings};

/// Runs `ws-conformance` with play money; its exit code and what it printed.
async fn walk(url: &str) -> (i32, String) {
    let runner = binary().with_file_name("ws-conformance");
    assert!(runner.is_file(), "{} is missing: run `cargo build --bins` first", runner.display());
    let mut command = Command::new(runner);
    command.args([url, "--max", "1.00", "--key", "random", "--patience", "30"]).kill_on_drop(true);
    let output: Output =
        tokio::time::timeout(Duration::from_secs(180), command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

/// Lines that begin so.
fn lines<'a>(told: &'a str, word: &str) -> Vec<&'a str> {
    told.lines().filter(|line| line.starts_with(word)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_facilitator_keeps_every_rule() {
    let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(20))).await.unwrap();
    let by_message = Feed {
        id: "messages",
        price: "0.0001",
        deposit_units: "[3000, 100]",
        more: "unit = \"message\"\nlow_water = 20",
        ..Feed::ticks(upstream.url("/stream"))
    };
    let feeds = vec![Feed::ticks(upstream.url("/stream")), by_message];
    let facilitator = Facilitator::start(Settings::dev(feeds)).await;

    let (code, told) = walk(&facilitator.url("/feeds/messages/session")).await;
    assert_eq!((code, lines(&told, "fail"), lines(&told, "n/a")), (0, vec![], vec![]), "{told}");
    assert!(lines(&told, "pass").len() >= 50, "{told}");
    assert!(told.contains(" passed, 0 failed, 0 not applicable; spent $0."), "{told}");

    let (code, told) = walk(&facilitator.url("/feeds/ticks/session")).await;
    assert_eq!((code, lines(&told, "fail")), (0, vec![]), "{told}");
    // A stream lasts a day: its unit does not run out while one watches.
    assert_eq!(lines(&told, "n/a").len(), 3, "{told}");
}

/// Between the runner and a facilitator that knows itself by this name: what the facilitator answers is changed in one
/// place.
async fn bent(from: &'static str, to: &'static str) -> (Facilitator, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut settings = Settings::dev(vec![Feed::ticks(upstream.url("/stream"))]);
    settings.public_url = Some(format!("http://127.0.0.1:{port}"));
    let facilitator = Facilitator::start(settings).await;
    let target = facilitator.port();
    tokio::spawn(async move {
        // The feed lives as long as its facilitator is asked.
        let _upstream = upstream;
        while let Ok((agent, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            let ((from_agent, to_agent), (from_server, to_server)) =
                (agent.into_split(), server.into_split());
            tokio::spawn(pass(from_agent, to_server, ("", "")));
            tokio::spawn(pass(from_server, to_agent, (from, to)));
        }
    });
    (facilitator, port)
}

async fn pass(mut source: OwnedReadHalf, mut sink: OwnedWriteHalf, (from, to): (&str, &str)) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = source.read(&mut chunk).await {
        let mut bytes = chunk[..read].to_vec();
        if !from.is_empty()
            && let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes())
        {
            drop(bytes.splice(at..at + from.len(), to.bytes()));
        }
        if sink.write_all(&bytes).await.is_err() {
            return;
        }
    }
    drop(sink.shutdown().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_a_rule_is_found_out() {
    for (from, to, rule) in [
        ("HTTP/1.1 402 ", "HTTP/1.1 401 ", "an unpaid session request is answered 402"),
        ("payment-response:", "payment-reponse:", "its PAYMENT-RESPONSE names the transaction"),
        ("private, no-store", "private", "nobody on the way may store it"),
        ("HTTP/1.1 403 ", "HTTP/1.1 401 ", "an exhausted session is answered 403"),
        (r#""type":"x402/error""#, r#""type":"x402/erorr""#, "is answered with a signed x402/error"),
        (r#""success":true"#, r#""success":null"#, "an x402/payment is answered with x402/payment-response"),
        ("Re-authorize via x402", "Re-authorise via x402", "is answered 101 and CLOSE 4008"),
    ] {
        let (_facilitator, port) = bent(from, to).await;
        let (code, told) = walk(&format!("http://127.0.0.1:{port}/feeds/ticks/session")).await;
        assert_eq!(code, 1, "{from}: {told}");
        let failed = lines(&told, "fail");
        assert!(failed.iter().any(|line| line.contains(rule)), "{from}: {told}");
    }
}

#[tokio::test]
async fn a_walk_that_cannot_begin_is_no_verdict() {
    let (code, told) = walk("http://127.0.0.1:9/feeds/ticks/session").await;
    assert_eq!(code, 64, "{told}");
    assert!(told.contains("cannot connect"), "{told}");
}
