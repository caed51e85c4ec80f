//! What carries messages between two clients: our broker, `nats-server`, and a plain echo of tungstenite's; each a process
//! on one core.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tollwire_testkit::process::free_port;

use crate::Failure;
use crate::process::{PROXY_CORE, pinned, role};
use crate::targets::{self, Target};

/// Debian's.
pub(crate) const NATS_SERVER: &str = "/usr/sbin/nats-server";

pub(crate) const NATS: &str = "nats-server";
pub(crate) const ECHO: &str = "tungstenite echo";
pub(crate) const BROKER: &str = "relay-broker";

/// The broker, with what one needs to talk through it.
pub(crate) struct Broker {
    /// It asks for the WebSocket of calls.
    pub(crate) target: Target,
    /// Tokens of an app and an agent, both named `bench`, a line each in a file.
    pub(crate) tokens: [PathBuf; 2],
}

/// Starts the broker on one thread, without durability, in front of an API `demo`.
pub(crate) async fn broker(dir: &Path, api: SocketAddr) -> Result<Broker, Failure> {
    let (port, admin) = (free_port()?, free_port()?);
    fs::write(dir.join("token-key"), "0123456789abcdef0123456789abcdef")?;
    let file = dir.join("broker.toml");
    let head = configuration(port, admin, api);
    fs::write(&file, &head)?;
    let mut registered = head;
    let mut tokens = [dir.join("app.token"), dir.join("agent.token")];
    for (kind, place) in ["app", "agent"].into_iter().zip(&mut tokens) {
        let made = Command::new(program()?)
            .args([kind, "add", "bench", "--print", "--config"])
            .arg(&file)
            .output()
            .await?;
        let said = String::from_utf8(made.stdout)?;
        let (token, hash) = said.split_once('\n').ok_or("no token was printed")?;
        fs::write(&*place, token)?;
        write!(registered, "[[{kind}]]\nid = \"bench\"\n{hash}\n")?;
    }
    fs::write(&file, registered)?;
    let mut command = pinned(PROXY_CORE, program()?);
    command.args(["serve", "--config"]).arg(&file);
    let mut target = targets::begin(BROKER, port, command).await?;
    "/api/ws/relay".clone_into(&mut target.ask.target);
    Ok(Broker { target, tokens })
}

/// Starts `nats-server` with its WebSocket listener.
pub(crate) async fn nats(dir: &Path) -> Result<Target, Failure> {
    let (port, plain) = (free_port()?, free_port()?);
    let file = dir.join("nats.conf");
    let text = format!(
        "listen: 127.0.0.1:{plain}\nmax_connections: 20000\n\
         websocket {{ listen: \"127.0.0.1:{port}\", no_tls: true }}\n"
    );
    fs::write(&file, text)?;
    let mut command = pinned(PROXY_CORE, NATS_SERVER);
    // As many threads as the others have.
    command.arg("-c").arg(&file).env("GOMAXPROCS", "1");
    targets::begin(NATS, port, command).await
}

/// Starts the echo.
pub(crate) async fn echo() -> Result<Target, Failure> {
    let port = free_port()?;
    let mut command = role(PROXY_CORE, "echo")?;
    command.args(["--port", &port.to_string()]);
    targets::begin(ECHO, port, command).await
}

/// The broker that was built beside this program.
fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("relay-broker");
    if program.exists() {
        return Ok(program);
    }
    Err(format!("{} is missing: cargo build --release -p relay-broker", program.display()).into())
}

fn configuration(port: u16, admin: u16, api: SocketAddr) -> String {
    format!(
        r#"listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
store = "memory:"
token_key = "file:token-key"
[admin]
listen = "127.0.0.1:{admin}"
[limits]
app_events_per_minute = 4000000000
app_events_per_hour = 4000000000
app_connections = 10000
heartbeat = "5m"
[[api]]
id = "demo"
base_url = "http://{api}"
allow_private = true
[runtime]
threads = 1
[log]
filter = "warn"
"#
    )
}
