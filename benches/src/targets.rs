//! The proxies under test, each a process of one thread in front of the same upstream.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tollwire_testkit::process::{Process, free_port, wait_for_port};

use crate::Failure;
use crate::facilitator::{self, Store};
use crate::process::{PEER_CORE, PROXY_CORE, pinned, role};

/// How long a process may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// Agents of the product, each with a wallet and a session of its own: as many as streams are open at the same time.
const AGENTS: u32 = 50;

/// What a load is told to ask for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) address: SocketAddr,
    /// Path and query.
    pub(crate) target: String,
    /// A file of bearer tokens, a line each; none where nobody asks for any.
    pub(crate) tokens: Option<PathBuf>,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its row in the tables.
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    pub(crate) ask: Ask,
    process: Process,
}

impl Target {
    /// The last of what it printed.
    pub(crate) fn said(&self) -> String {
        let lines = self.process.lines();
        lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("; ")
    }
}

/// Starts the upstream; where it listens.
pub(crate) async fn upstream() -> Result<(Process, SocketAddr), Failure> {
    let port = free_port()?;
    let mut command = role(PEER_CORE, "upstream")?;
    command.args(["--port", &port.to_string()]);
    let process = Process::spawn(command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_for_port(address, START).await?;
    Ok((process, address))
}

/// The proxies under test, in the order of the tables.
pub(crate) const NAMES: [&str; 5] = [HAPROXY, NGINX, NAIVE, PUMP, FACILITATOR];

pub(crate) const HAPROXY: &str = "HAProxy";
pub(crate) const NGINX: &str = "nginx";
/// Every message decoded and encoded again.
pub(crate) const NAIVE: &str = "tungstenite proxy";
/// The data path behind the smallest server that can upgrade.
const PUMP: &str = "tollwire pump alone";
/// The product.
const FACILITATOR: &str = "tollwire facilitator";

/// Starts the proxy of this name in front of `upstream`.
pub(crate) async fn start(name: &'static str, dir: &Path, upstream: SocketAddr) -> Result<Target, Failure> {
    let port = free_port()?;
    let command = match name {
        HAPROXY => haproxy(dir, port, upstream)?,
        NGINX => nginx(dir, port, upstream)?,
        FACILITATOR => facilitator::command(dir, port, upstream, Store::File).await?,
        _ => ours(if name == NAIVE { "naive" } else { "pump" }, port, upstream)?,
    };
    let mut target = begin(name, port, command).await?;
    if name == FACILITATOR {
        target.ask = facilitator::ask(dir, target.ask.address, "stream", AGENTS).await?;
    }
    Ok(target)
}

/// Starts the product in front of `upstream`; nobody has paid yet.
pub(crate) async fn product(dir: &Path, upstream: SocketAddr, store: Store<'_>) -> Result<Target, Failure> {
    let port = free_port()?;
    let command = facilitator::command(dir, port, upstream, store).await?;
    begin(FACILITATOR, port, command).await
}

/// Runs a server until it accepts connections on `port`.
pub(crate) async fn begin(name: &'static str, port: u16, command: Command) -> Result<Target, Failure> {
    let process = Process::spawn(command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_for_port(address, START)
        .await
        .map_err(|failure| format!("{name}: {failure}: {:?}", process.lines()))?;
    let pid = process.id().ok_or("ended at once")?;
    let ask = Ask { address, target: "/".into(), tokens: None };
    Ok(Target { name, pid, ask, process })
}

/// nginx with its default buffers, one process.
fn nginx(dir: &Path, port: u16, upstream: SocketAddr) -> Result<Command, Failure> {
    let file = dir.join("nginx.conf");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", dir.display()))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; worker_rlimit_nofile 20000; error_log stderr crit; pid {dir}/nginx.pid;\n\
         events {{ worker_connections 19000; }}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{upstream};\n\
         proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n\
         proxy_read_timeout 1h; proxy_send_timeout 1h; }} }} }}\n",
        dir = dir.display(),
    );
    fs::write(&file, configuration)?;
    let mut command = pinned(PROXY_CORE, "/usr/sbin/nginx");
    command.arg("-p").arg(dir).arg("-c").arg(&file);
    Ok(command)
}

/// HAProxy with its default buffers, one thread.
fn haproxy(dir: &Path, port: u16, upstream: SocketAddr) -> Result<Command, Failure> {
    let file = dir.join("haproxy.cfg");
    let configuration = format!(
        "global\n  maxconn 9000\n  nbthread 1\n\
         defaults\n  mode http\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n  \
         timeout tunnel 1h\n\
         frontend front\n  bind 127.0.0.1:{port}\n  default_backend back\n\
         backend back\n  server one {upstream}\n",
    );
    fs::write(&file, configuration)?;
    let mut command = pinned(PROXY_CORE, "/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(&file);
    Ok(command)
}

/// One of this program's own proxies.
fn ours(kind: &str, port: u16, upstream: SocketAddr) -> Result<Command, Failure> {
    let mut command = role(PROXY_CORE, kind)?;
    command.args(["--port", &port.to_string(), "--upstream", &upstream.to_string()]);
    Ok(command)
}
