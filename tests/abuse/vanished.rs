//! Agents that upgrade and are heard of no more, and agents that never read: their streams end, their memory returns.

use bytes::Bytes;
use std::time::{Duration, Instant};
use tollwire_testkit::feed::{Message, Mode};
use tollwire_testkit::link::{FaultLink, Faults};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::raw::Raw;
use tollwire_tests::world::World;
use tollwire_tests::ws::open;

/// Far more than the kernel buffers of a connection.
fn torrent() -> Mode {
    let message = Message::binary(Bytes::from(vec![7; 1 << 20]));
    Mode::Script(vec![message; 64], None)
}

async fn until_no_stream_is_live(world: &World, within: Duration) {
    let ended = world.feed.wait_for(|counts| counts.requests > 0 && counts.open == 0, within).await;
    assert!(ended.is_ok(), "{ended:?}");
}

/// Resident bytes of a process.
fn resident(facilitator: &Facilitator) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", facilitator.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn agents_that_never_read_are_ended_within_the_stall_limit_and_hold_little_memory() {
    let world = World::start(torrent(), |settings| settings.limits = "stall = \"2s\"".into()).await;
    let token = world.token(100).await;
    let before = resident(&world.facilitator);
    let mut agents = Vec::new();
    for _ in 0..20 {
        agents.push(Raw::upgraded(world.facilitator.port(), &World::target(&token)).await);
    }
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let grown = resident(&world.facilitator).saturating_sub(before);
    until_no_stream_is_live(&world, Duration::from_secs(12)).await;
    eprintln!("20 agents that never read: {} KiB each, ended after {:?}", grown / 20 / 1024, begun.elapsed());
    assert!(grown < 20 * 512 * 1024, "{grown} bytes for 20 agents that do not read");
    world.settled(&token, Duration::from_secs(12)).await;
    assert_eq!(world.remaining(&token).await, 80, "what they paid for was served");
    drop(agents);
}

#[tokio::test]
async fn an_agent_that_wakes_up_late_learns_why() {
    let world =
        World::start(torrent(), |settings| settings.limits = "stall = \"1s\"\nclose_wait = \"10s\"".into())
            .await;
    let token = world.token(1).await;
    let mut agent = Raw::upgraded(world.facilitator.port(), &World::target(&token)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Whole frames, and then, if the stall came at the end of one, 4013; never a torn close frame.
    let mut frames = 0;
    let mut code = None;
    while let Some(frame) = agent.frame().await {
        if frame.first == 0x88 {
            code = frame.close_code();
            break;
        }
        assert_eq!((frame.first, frame.payload.len()), (0x82, 1 << 20));
        assert!(frame.payload.iter().all(|byte| *byte == 7));
        frames += 1;
    }
    assert!(frames < 64 && matches!(code, None | Some(4013)), "{frames} frames, {code:?}");
}

#[tokio::test]
async fn an_agent_that_vanishes_under_a_torrent_is_given_up() {
    let world = World::start(torrent(), |settings| settings.limits = "stall = \"2s\"".into()).await;
    let token = world.token(1).await;
    let link = FaultLink::start(([127, 0, 0, 1], world.facilitator.port()).into()).await.unwrap();
    let agent = Raw::upgraded(link.address().port(), &World::target(&token)).await;
    link.set(Faults { stuck: true, ..Faults::default() });
    until_no_stream_is_live(&world, Duration::from_secs(12)).await;
    world.settled(&token, Duration::from_secs(12)).await;
    drop(agent);
}

#[tokio::test]
async fn an_agent_that_vanishes_in_silence_ends_by_the_idle_limit() {
    let world = World::start(Mode::Silent, |settings| settings.limits = "idle = \"2s\"".into()).await;
    let token = world.token(1).await;
    let link = FaultLink::start(([127, 0, 0, 1], world.facilitator.port()).into()).await.unwrap();
    let agent = Raw::upgraded(link.address().port(), &World::target(&token)).await;
    link.set(Faults { stuck: true, ..Faults::default() });
    until_no_stream_is_live(&world, Duration::from_secs(12)).await;
    drop(agent);
}

/// Without an idle limit only the kernel can find out that a silent peer's machine is gone: it must be asked to.
#[tokio::test]
async fn silent_connections_are_probed_by_the_kernel() {
    let world = World::start(Mode::Silent, |_| {}).await;
    let token = world.token(1).await;
    let agent = open(&world.ws(&token), &[]).await.unwrap();
    let (ours, theirs) = (world.facilitator.port(), world.feed.address().port());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Columns: number, local, remote, state (01 is established), queues, timer (02 is keepalive).
    let probed = |side: usize, port: u16| {
        let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        let ours: Vec<_> =
            rows.filter(|row| row[side].ends_with(&format!(":{port:04X}")) && row[3] == "01").collect();
        assert_eq!(ours.len(), 1, "{ours:?}");
        ours[0][5].starts_with("02:")
    };
    assert!(probed(1, ours), "the agent's connection is not probed");
    assert!(probed(2, theirs), "the upstream's connection is not probed");
    drop(agent);
}
