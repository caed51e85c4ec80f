//! Ends: each side's close frame reaches the other as it was sent, and nothing is ever written into a frame.

use crate::raw::{BINARY, BINARY_BEGINS, CLOSE, ENDS, From, Stream, close, expect, frame, head, rest};
use tokio::io::AsyncWriteExt;

/// What an upstream may end with: any code, any reason, no code at all.
fn ends(from: From) -> Vec<Vec<u8>> {
    let longest = "ü".repeat(61) + "!";
    vec![
        close(from, 1000, ""),
        close(from, 1012, "moved to another server"),
        close(from, 4321, "an upstream's own code, in its own words: ü"),
        close(from, 4999, &longest),
        frame(from, CLOSE, b""),
    ]
}

#[tokio::test]
async fn the_upstreams_code_and_reason_reach_the_agent_and_its_answer_comes_back() {
    for (said, answered) in ends(From::Upstream).into_iter().zip(ends(From::Agent)) {
        let mut stream = Stream::open().await;
        let last = frame(From::Upstream, BINARY, b"last words");
        stream.upstream.write_all(&[last.clone(), said.clone()].concat()).await.unwrap();
        expect(&mut stream.agent, &[last, said].concat(), "upstream to agent").await;
        stream.agent.write_all(&answered).await.unwrap();
        expect(&mut stream.upstream, &answered, "agent to upstream").await;
        assert_eq!(rest(&mut stream.agent).await, b"", "nothing after it");
        drop(stream.agent);
        assert_eq!(rest(&mut stream.upstream).await, b"", "nothing after it");
    }
}

#[tokio::test]
async fn the_agents_code_and_reason_reach_the_upstream_and_its_answer_comes_back() {
    for (said, answered) in ends(From::Agent).into_iter().zip(ends(From::Upstream)) {
        let mut stream = Stream::open().await;
        // In the middle of a fragmented message, where control frames may stand.
        let begun = frame(From::Agent, BINARY_BEGINS, b"begun, never ended");
        stream.agent.write_all(&[begun.clone(), said.clone()].concat()).await.unwrap();
        expect(&mut stream.upstream, &[begun, said].concat(), "agent to upstream").await;
        stream.upstream.write_all(&answered).await.unwrap();
        expect(&mut stream.agent, &answered, "upstream to agent").await;
        drop(stream.upstream);
        assert_eq!(rest(&mut stream.agent).await, b"", "nothing after it");
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_off_between_frames_is_told_as_1011() {
    let mut stream = Stream::open().await;
    let part = frame(From::Upstream, BINARY_BEGINS, b"a fragment, whole");
    stream.upstream.write_all(&part).await.unwrap();
    expect(&mut stream.agent, &part, "upstream to agent").await;
    drop(stream.upstream);
    let told = rest(&mut stream.agent).await;
    assert_eq!((told[0], u16::from_be_bytes([told[2], told[3]])), (CLOSE, 1011), "{told:x?}");
    assert_eq!(told.len(), 2 + usize::from(told[1]), "one close frame: {told:x?}");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_within_a_frame_leaves_the_frame_as_it_is() {
    let mut stream = Stream::open().await;
    let mut part = head(From::Upstream, ENDS | BINARY_BEGINS, 1_000);
    part.extend([7; 400]);
    stream.upstream.write_all(&part).await.unwrap();
    expect(&mut stream.agent, &part, "upstream to agent").await;
    drop(stream.upstream);
    assert_eq!(rest(&mut stream.agent).await, b"", "no close frame inside another frame");
}

#[tokio::test]
async fn an_agent_that_breaks_off_within_a_frame_leaves_the_frame_as_it_is() {
    let mut stream = Stream::open().await;
    let mut part = head(From::Agent, BINARY, 1_000);
    part.extend([7; 400]);
    stream.agent.write_all(&part).await.unwrap();
    expect(&mut stream.upstream, &part, "agent to upstream").await;
    drop(stream.agent);
    assert_eq!(rest(&mut stream.upstream).await, b"", "no close frame inside another frame");
}
