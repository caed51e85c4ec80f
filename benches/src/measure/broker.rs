//! The broker: a message to somebody who answers, beside `nats-server`; idle WebSockets; what a call costs over it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tollwire_testkit::process::{Process, free_port};

use super::job::Job;
use super::{Plan, compared};
use crate::messengers::{self, BROKER, Broker, ECHO, NATS, NATS_SERVER};
use crate::numbers::{kib, median, micros, ratio};
use crate::process::{PEER_CORE, cpu_nanos, resident_bytes, role};
use crate::targets::{self, Target};
use crate::{Failure, table};

/// Questions of one round.
const QUESTIONS: u64 = 2_000;

/// Connections open at once.
const CONNECTIONS: u64 = 5_000;

/// How long they stay open before memory is looked at.
const REST: Duration = Duration::from_secs(20);

/// How long opening them, or a round, may take.
const WITHIN: Duration = Duration::from_secs(120);

/// One way to ask, and whom.
struct Way<'a> {
    name: &'a str,
    how: &'static str,
    target: &'a Target,
    more: Vec<String>,
}

/// What rounds came to, in nanoseconds per question.
#[derive(Default)]
struct Rounds {
    p50: Vec<u64>,
    p99: Vec<u64>,
    cpu: Vec<u64>,
}

/// Runs all three.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    if !Path::new(NATS_SERVER).exists() {
        return Err(format!("{NATS_SERVER} is missing; install Debian's nats-server").into());
    }
    let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let api = api().await?;
    let broker = messengers::broker(ours.path(), api.ask.address).await?;
    let (nats, echo) = (messengers::nats(theirs.path()).await?, messengers::echo().await?);
    let trips = trips(plan, &broker, &nats, &echo).await?;
    let calls = calls(plan, &broker.target, &api).await?;
    drop((broker, nats, echo));
    let idle = idle(ours.path(), api.ask.address).await?;
    Ok(format!("{trips}\n{calls}\n{idle}"))
}

/// An API on the other core.
async fn api() -> Result<Target, Failure> {
    let port = free_port()?;
    let mut command = role(PEER_CORE, "api")?;
    command.args(["--port", &port.to_string()]);
    targets::begin("the API itself", port, command).await
}

async fn trips(plan: &Plan, broker: &Broker, nats: &Target, echo: &Target) -> Result<String, Failure> {
    let [app, agent] = &broker.tokens;
    let tokens =
        ["--app".to_owned(), app.display().to_string(), "--agent".to_owned(), agent.display().to_string()];
    let ways = [
        Way { name: NATS, how: "nats", target: nats, more: vec![] },
        Way { name: ECHO, how: "echo", target: echo, more: vec![] },
        Way { name: BROKER, how: "bridge", target: &broker.target, more: tokens.to_vec() },
    ];
    rounds("Message, reply (64 B each)", plan, &ways).await
}

async fn calls(plan: &Plan, broker: &Target, api: &Target) -> Result<String, Failure> {
    let ways = [
        Way { name: api.name, how: "http", target: api, more: vec![] },
        Way { name: "relay.call, unpaid", how: "call", target: broker, more: vec![] },
    ];
    rounds("One call", plan, &ways).await
}

/// Interleaved rounds; every figure is the median of its rounds.
async fn rounds(title: &str, plan: &Plan, ways: &[Way<'_>]) -> Result<String, Failure> {
    let mut found: Vec<Rounds> = ways.iter().map(|_| Rounds::default()).collect();
    // The first round warms up.
    for number in 0..=plan.rounds {
        for (way, rounds) in ways.iter().zip(&mut found) {
            let (mut times, cpu) = way.round().await?;
            if number == 0 {
                continue;
            }
            times.sort_unstable();
            let share = |hundredths: usize| {
                times.get(times.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or_default()
            };
            rounds.p50.push(share(50));
            rounds.p99.push(share(99));
            rounds.cpu.push(cpu / QUESTIONS);
        }
    }
    let figures: Vec<[u64; 3]> = found
        .into_iter()
        .map(|rounds| [median(rounds.p50), median(rounds.p99), median(rounds.cpu)])
        .collect();
    let [first, _, first_cpu] = figures.first().copied().unwrap_or_default();
    let rows: Vec<Vec<String>> = ways
        .iter()
        .zip(&figures)
        .map(|(way, [p50, p99, cpu])| {
            vec![
                way.name.to_owned(),
                micros(*p50),
                format!("{}x", ratio(*p50, first)),
                micros(p50.saturating_sub(first)),
                micros(*p99),
                micros(*cpu),
                format!("{}x", ratio(*cpu, first_cpu)),
            ]
        })
        .collect();
    let head = [title, "p50 µs", "of the first", "more µs", "p99 µs", "server CPU µs", "of the first"];
    Ok(table::render(&head, &rows))
}

impl Way<'_> {
    /// One round: each question's time, and the server's CPU.
    async fn round(&self) -> Result<(Vec<u64>, u64), Failure> {
        let mut command = role(PEER_CORE, "talk")?;
        command.args(["--way", self.how, "--address", &self.target.ask.address.to_string()]);
        command.args(["--count", &QUESTIONS.to_string()]).args(&self.more);
        let before = cpu_nanos(self.target.pid)?;
        let mut talk = Process::spawn(command)?;
        let line = talk.wait_for_line("times ", WITHIN).await?;
        let cpu = cpu_nanos(self.target.pid)?.saturating_sub(before);
        let times = line.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
        Ok((times, cpu))
    }
}

/// Resident memory per idle connection; each server is a process of its own, because what one has freed is not given back.
async fn idle(dir: &Path, api: SocketAddr) -> Result<String, Failure> {
    let mut found = Vec::new();
    for name in [NATS, ECHO] {
        let target = if name == NATS { messengers::nats(dir).await? } else { messengers::echo().await? };
        found.push((name, held(&target).await?));
    }
    let broker = messengers::broker(dir, api).await?;
    found.push(("relay-broker, calls", held(&broker.target).await?));
    drop(broker);
    let Broker { mut target, tokens: [app, _] } = messengers::broker(dir, api).await?;
    "/v1/ws/app".clone_into(&mut target.ask.target);
    target.ask.tokens = Some(app);
    found.push(("relay-broker, apps", held(&target).await?));
    Ok(compared("Resident memory per idle WebSocket", "KiB", NATS, &found, kib))
}

/// What each of many connections adds to a server.
async fn held(target: &Target) -> Result<u64, Failure> {
    let job = Job { mode: "hold", size: 0, count: 0, connections: CONNECTIONS };
    let before = resident_bytes(target.pid)?;
    let mut load = job.start(target)?;
    load.wait_for_line("open", WITHIN).await?;
    tokio::time::sleep(REST).await;
    let grown = resident_bytes(target.pid)?.saturating_sub(before);
    load.kill().await?;
    Ok(grown / CONNECTIONS)
}
