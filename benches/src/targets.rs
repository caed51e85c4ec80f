//! The proxies under test, each a process of one thread in front of the same upstream.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tollwire_testkit::process::{Process, free_port, wait_for_port};

use crate::Failure;
use crate::process::{PEER_CORE, PROXY_CORE, pinned, role};
use crate::socket::Ask;

/// How long a process may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its row in the tables.
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    pub(crate) ask: Ask,
    _process: Process,
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

/// nginx with its default buffers, one process.
pub(crate) async fn nginx(dir: &Path, upstream: SocketAddr) -> Result<Target, Failure> {
    let port = free_port()?;
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
    started("nginx", command, port).await
}

/// HAProxy with its default buffers, one thread.
pub(crate) async fn haproxy(dir: &Path, upstream: SocketAddr) -> Result<Target, Failure> {
    let port = free_port()?;
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
    started("HAProxy", command, port).await
}

/// A message-by-message proxy on tungstenite.
pub(crate) async fn naive(upstream: SocketAddr) -> Result<Target, Failure> {
    ours("tungstenite proxy", "naive", upstream).await
}

/// Our pump behind a bare hyper server.
pub(crate) async fn pump(upstream: SocketAddr) -> Result<Target, Failure> {
    ours("tollwire pump alone", "pump", upstream).await
}

async fn ours(name: &'static str, kind: &str, upstream: SocketAddr) -> Result<Target, Failure> {
    let port = free_port()?;
    let mut command = role(PROXY_CORE, kind)?;
    command.args(["--port", &port.to_string(), "--upstream", &upstream.to_string()]);
    started(name, command, port).await
}

async fn started(name: &'static str, command: tokio::process::Command, port: u16) -> Result<Target, Failure> {
    let process = Process::spawn(command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_for_port(address, START)
        .await
        .map_err(|failure| format!("{name}: {failure}: {:?}", process.lines()))?;
    let pid = process.id().ok_or("ended at once")?;
    Ok(Target { name, pid, ask: Ask { address, target: "/".into(), token: None }, _process: process })
}
