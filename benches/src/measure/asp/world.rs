//! A broker, its Redis, and agents that talk with it in frames.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tollwire_asp::SessionId;
use tollwire_client::asp::{Account, Config};
use tollwire_testkit::process::{Process, free_port, wait_for_port};
use tollwire_testkit::redis::RedisServer;

use crate::process::{PROXY_CORE, pinned};
use crate::{Failure, facilitator};

pub(super) const ALPHA: &str = "agent://acme.example/alpha";
const BETA: &str = "agent://cloud.example/beta";

/// How long a process may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// A broker, its Redis, and two agents.
pub(super) struct World {
    _broker: Process,
    pub(super) pid: u32,
    redis: RedisServer,
    address: SocketAddr,
    alpha: Account,
    beta: Account,
}

/// A connection to a session.
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl World {
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
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
        Ok(Self { _broker: broker, pid, redis, address, alpha, beta })
    }

    /// A session that both have entered; two messages.
    pub(super) async fn begin(&self) -> Result<SessionId, Failure> {
        let session = self.alpha.begin(&[BETA.parse()?]).await?;
        let invitation =
            json!({"proposalId": "inv", "type": "session-invitation", "subject": "s", "terms": {}});
        self.alpha.say(&session, "PROPOSE".parse()?, &invitation).await?;
        self.beta.say(&session, "ACCEPT".parse()?, &json!({})).await?;
        Ok(session)
    }

    /// A connection of alpha's, behind message `last`.
    pub(super) async fn connect(&self, session: &SessionId, last: u64) -> Result<Socket, Failure> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let url = format!("ws://{}/v1/asp/sessions/{session}/ws", self.address);
        let (mut socket, _) = tokio_tungstenite::client_async(url, tcp).await?;
        socket.send(Message::text(self.alpha.auth_frame(session, last).await?)).await?;
        Ok(Socket(socket))
    }

    /// A connection on which a conversation has begun, in a session of its own.
    pub(super) async fn converse(&self) -> Result<(SessionId, Socket), Failure> {
        let session = self.begin().await?;
        let mut socket = self.connect(&session, 2).await?;
        let query = json!({"queryId": "q", "queryType": "t", "subject": "s", "parameters": {}});
        socket.say(&[draft("QUERY", &query)]).await?;
        socket.acked().await?;
        Ok((session, socket))
    }

    /// Where its Redis is.
    pub(super) fn redis(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.redis.port()))
    }

    /// How often Redis was asked to run a script: an append is one.
    pub(super) async fn scripts(&self) -> Result<u64, Failure> {
        let info = self.redis.command(&["INFO", "commandstats"]).await?;
        let calls = |name: &str| {
            let line =
                info.lines().find_map(|line| line.trim().strip_prefix(&format!("cmdstat_{name}:calls=")))?;
            line.split(',').next()?.parse::<u64>().ok()
        };
        Ok(calls("evalsha").unwrap_or_default() + calls("eval").unwrap_or_default())
    }
}

impl Socket {
    /// Sends messages, all of them in one write.
    pub(super) async fn say(&mut self, drafts: &[String]) -> Result<(), Failure> {
        for draft in drafts {
            let frame = format!(r#"{{"type":"send","envelope":{draft}}}"#);
            self.0.feed(Message::text(frame)).await?;
        }
        Ok(self.0.flush().await?)
    }

    /// The next frame; heartbeats are answered and passed over.
    pub(super) async fn text(&mut self) -> Result<String, Failure> {
        loop {
            match self.0.next().await.ok_or("the broker closed")?? {
                Message::Text(text) if text.starts_with(r#"{"type":"heartbeat""#) => {
                    self.0.send(Message::text(r#"{"type":"pong"}"#)).await?;
                }
                Message::Text(text) => return Ok(text.to_string()),
                _ => {}
            }
        }
    }

    /// Waits for the next ack.
    pub(super) async fn acked(&mut self) -> Result<(), Failure> {
        loop {
            let text = self.text().await?;
            if text.starts_with(r#"{"type":"ack""#) {
                return Ok(());
            }
            if text.starts_with(r#"{"type":"error""#) {
                return Err(text.into());
            }
        }
    }
}

/// About as long as the seed's own message.
pub(super) fn body() -> Value {
    json!({
        "proposalId": "prop_001", "subject": "GPU compute procurement", "type": "terms",
        "terms": {"gpuType": "A100", "quantity": 4, "pricePerHour": "3.50", "note": "x".repeat(400)}
    })
}

/// The envelope of a `send`.
pub(super) fn draft(performative: &str, body: &Value) -> String {
    json!({"performative": performative, "content": {"body": body}}).to_string()
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
