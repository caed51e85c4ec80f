//! Agent sessions of one broker, on one thread, on a local Redis: round trips and CPU time per message, the wait for an ack, and
//! replay.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tollwire_asp::{Draft, Hash, MessageId, Millis, Place, Sender, SessionId, SigningKey, seal};
use tollwire_client::asp::{Account, Config};
use tollwire_testkit::process::{Process, free_port, wait_for_port};
use tollwire_testkit::redis::RedisServer;

use super::Plan;
use crate::facilitator;
use crate::numbers::{kib, median, micros, ratio};
use crate::process::{PROXY_CORE, cpu_nanos, forget_peak, peak_bytes, pinned};
use crate::{Failure, table};

const ALPHA: &str = "agent://acme.example/alpha";
const BETA: &str = "agent://cloud.example/beta";

/// Sends of the measurement of costs, one after another.
const SENDS: u64 = 5_000;

/// Sends a second of the measurement of waits, and for how many seconds: by a plan, whether or not earlier ones were answered.
const RATE: u64 = 500;
const SECONDS: u64 = 20;

/// Messages that are replayed.
const REPLAYED: u64 = 10_000;

/// How long a process may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// A broker, its Redis, and two agents with a session.
struct World {
    _broker: Process,
    pid: u32,
    redis: RedisServer,
    address: SocketAddr,
    alpha: Account,
    session: SessionId,
}

type Socket = WebSocketStream<TcpStream>;

/// All of it, as a table.
pub(crate) async fn run(plan: &Plan) -> Result<String, Failure> {
    let dir = tempfile::tempdir()?;
    let world = World::start(dir.path()).await?;
    let mut socket = world.converse().await?;
    let body = body();
    let crypto = cryptography(&body)?;
    let mut costs = Vec::new();
    let before = world.scripts().await?;
    for _ in 0..plan.rounds {
        costs.push(world.cost(&mut socket, &body).await?);
    }
    let sends = SENDS * u64::try_from(plan.rounds)?;
    let trips = world.scripts().await? - before;
    let cost = median(costs);
    let mut waits = waits(&mut socket, &body).await?;
    waits.sort_unstable();
    let wait = |per_mille: usize| waits.get(waits.len() * per_mille / 1000).copied().unwrap_or_default();
    let (mut rates, mut growths) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (rate, growth) = world.replay().await?;
        rates.push(rate);
        growths.push(growth);
    }
    let row = |what: &str, found: String| vec![what.to_owned(), found];
    Ok(table::render(
        &["Agent sessions, one thread, local Redis", "measured"],
        &[
            row("Redis round trips per send", ratio(trips, sends)),
            row("CPU per send (µs)", micros(cost)),
            row("reading, canonical form, hash and signature alone (µs)", micros(crypto)),
            row("ratio", ratio(cost, crypto)),
            row(&format!("send to ack at {RATE}/s: p50 (µs)"), micros(wait(500))),
            row("p99 (µs)", micros(wait(990))),
            row(&format!("replay of {REPLAYED}, messages per second"), median(rates).to_string()),
            row("peak memory above rest meanwhile (KiB)", kib(median(growths))),
        ],
    ))
}

/// About as long as the seed's own message.
fn body() -> Value {
    json!({
        "proposalId": "prop_001", "subject": "GPU compute procurement", "type": "terms",
        "terms": {"gpuType": "A100", "quantity": 4, "pricePerHour": "3.50", "note": "x".repeat(400)}
    })
}

fn draft(performative: &str, body: &Value) -> String {
    json!({"performative": performative, "content": {"body": body}}).to_string()
}

impl World {
    async fn start(dir: &Path) -> Result<Self, Failure> {
        let program = facilitator::program()?.with_file_name("relay-broker");
        if !program.exists() {
            return Err(
                format!("{} is missing: cargo build --release -p relay-broker", program.display()).into()
            );
        }
        let redis = RedisServer::start().await?;
        let said = tokio::process::Command::new(&program).args(["asp", "secret"]).output().await?;
        let said = String::from_utf8(said.stdout)?;
        let line = |name: &str| {
            said.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
        };
        let (secret, hash) =
            line("secret:").zip(line("secret_hash:")).ok_or("relay-broker asp secret printed none")?;
        fs::write(dir.join("asp-key"), &secret)?;
        let port = free_port()?;
        fs::write(dir.join("broker.toml"), configuration(port, &redis.url(), &hash))?;
        let mut command = pinned(PROXY_CORE, &program);
        command.args(["serve", "--config", "broker.toml"]).current_dir(dir);
        let broker = Process::spawn(command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_for_port(address, START).await.map_err(|failure| format!("{failure}: {:?}", broker.lines()))?;
        let pid = broker.id().ok_or("the broker ended at once")?;
        let account = |id: &str| Account::new(Config::new(format!("http://{address}"), id, secret.as_str())?);
        let (alpha, beta) = (account("alpha")?, account("beta")?);
        let session = alpha.begin(&[BETA.parse()?]).await?;
        let invitation =
            json!({"proposalId": "inv", "type": "session-invitation", "subject": "s", "terms": {}});
        alpha.say(&session, "PROPOSE".parse()?, &invitation).await?;
        beta.say(&session, "ACCEPT".parse()?, &json!({})).await?;
        Ok(Self { _broker: broker, pid, redis, address, alpha, session })
    }

    /// A connection, behind message `last`.
    async fn connect(&self, last: u64) -> Result<Socket, Failure> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let url = format!("ws://{}/v1/asp/sessions/{}/ws", self.address, self.session);
        let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await?;
        socket.send(Message::text(self.alpha.auth_frame(&self.session, last).await?)).await?;
        Ok(socket)
    }

    /// A connection on which a conversation has begun.
    async fn converse(&self) -> Result<Socket, Failure> {
        let mut socket = self.connect(2).await?;
        say(
            &mut socket,
            "QUERY",
            &json!({"queryId": "q", "queryType": "t", "subject": "s", "parameters": {}}),
        )
        .await?;
        acked(&mut socket).await?;
        Ok(socket)
    }

    /// How often Redis was asked to run a script: an append is one.
    async fn scripts(&self) -> Result<u64, Failure> {
        let info = self.redis.command(&["INFO", "commandstats"]).await?;
        let calls = |name: &str| {
            let line =
                info.lines().find_map(|line| line.trim().strip_prefix(&format!("cmdstat_{name}:calls=")))?;
            line.split(',').next()?.parse::<u64>().ok()
        };
        Ok(calls("evalsha").unwrap_or_default() + calls("eval").unwrap_or_default())
    }

    /// CPU time of the broker per send.
    async fn cost(&self, socket: &mut Socket, body: &Value) -> Result<u64, Failure> {
        let before = cpu_nanos(self.pid)?;
        for _ in 0..SENDS {
            say(socket, "PROPOSE", body).await?;
            acked(socket).await?;
        }
        Ok((cpu_nanos(self.pid)? - before) / SENDS)
    }

    /// Messages per second of a replay, and by how much the broker's memory rises over what it was.
    async fn replay(&self) -> Result<(u64, u64), Failure> {
        forget_peak(self.pid)?;
        let rest = peak_bytes(self.pid)?;
        let mut socket = self.connect(0).await?;
        let (mut began, mut count) = (Instant::now(), 0);
        while count < REPLAYED {
            match socket.next().await.ok_or("the broker closed")?? {
                Message::Text(text) if text.starts_with(r#"{"type":"message""#) => count += 1,
                Message::Text(text) if text.starts_with(r#"{"type":"auth_ok""#) => began = Instant::now(),
                Message::Text(text) => return Err(text.to_string().into()),
                _ => {}
            }
        }
        let took = began.elapsed();
        let rate = u128::from(REPLAYED) * 1_000_000 / took.as_micros().max(1);
        Ok((u64::try_from(rate)?, peak_bytes(self.pid)?.saturating_sub(rest)))
    }
}

async fn say(socket: &mut Socket, performative: &str, body: &Value) -> Result<(), Failure> {
    let frame = format!(r#"{{"type":"send","envelope":{}}}"#, draft(performative, body));
    Ok(socket.send(Message::text(frame)).await?)
}

/// Waits for the next ack.
async fn acked(socket: &mut Socket) -> Result<(), Failure> {
    loop {
        match socket.next().await.ok_or("the broker closed")?? {
            Message::Text(text) if text.starts_with(r#"{"type":"ack""#) => return Ok(()),
            Message::Text(text) if text.starts_with(r#"{"type":"error""#) => {
                return Err(text.to_string().into());
            }
            Message::Text(text) if text.starts_with(r#"{"type":"heartbeat""#) => {
                socket.send(Message::text(r#"{"type":"pong"}"#)).await?;
            }
            _ => {}
        }
    }
}

/// From when each send was due until its ack, in nanoseconds.
async fn waits(socket: &mut Socket, body: &Value) -> Result<Vec<u64>, Failure> {
    let begun = tokio::time::Instant::now();
    let every = Duration::from_nanos(1_000_000_000 / RATE);
    let due = |number: u64| begun + every.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
    let (mut said, mut waits) = (0, Vec::new());
    let all = RATE * SECONDS;
    while u64::try_from(waits.len())? < all {
        tokio::select! {
            () = sleep_until(due(said)), if said < all => {
                say(socket, "PROPOSE", body).await?;
                said += 1;
            }
            ack = acked(socket) => {
                ack?;
                let number = u64::try_from(waits.len())?;
                waits.push(u64::try_from(due(number).elapsed().as_nanos())?);
            }
        }
    }
    Ok(waits)
}

/// What a message costs without a broker: nanoseconds to read it, and to make its canonical form, hash and signature.
fn cryptography(body: &Value) -> Result<u64, Failure> {
    let (key, session) = (SigningKey::from_bytes(&[7; 32]), "ase_abc123".parse()?);
    let sender =
        Sender { agent: ALPHA.parse()?, org: "org_acme".into(), trust: "72.5".parse()?, proof: None };
    let (text, mut previous) = (draft("PROPOSE", body), Hash::GENESIS);
    let pid = std::process::id();
    let before = cpu_nanos(pid)?;
    for sequence in 1..=SENDS {
        let at = Millis(1_772_893_800_000 + sequence);
        let place = Place { session: &session, sequence, id: MessageId::new(at, [7; 10]), at, previous };
        previous = seal(&Draft::read(&text)?, &sender, &place, &key).hash;
    }
    Ok((cpu_nanos(pid)? - before) / SENDS)
}

fn configuration(port: u16, store: &str, hash: &str) -> String {
    let client = |id: &str, agent: &str| {
        format!(
            "[[asp.client]]\nid = \"{id}\"\nsecret_hash = \"{hash}\"\nagent = \"{agent}\"\norg = \"org\"\n"
        )
    };
    format!(
        "listen = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\nstore = \"{store}\"\n\
         [asp]\nsigning_key = \"file:asp-key\"\nsends_per_second = 1000000\nexpose_dpop = false\n{}{}\
         [runtime]\nthreads = 1\n[log]\nfilter = \"warn\"\n",
        client("alpha", ALPHA),
        client("beta", BETA),
    )
}
