//! What is measured, and how often.

mod exchange;
mod idle;
mod job;

use std::path::Path;

use crate::targets::{self, Target};
use crate::{Failure, say};

/// Runs the measurements that `arguments` name; all of them if they name none.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let chosen = arguments.first().map_or("all", String::as_str);
    let wanted = |name: &str| chosen == "all" || chosen == name;
    if !["all", "throughput", "echo", "idle"].contains(&chosen) {
        return Err(format!("{chosen} is none of all, throughput, echo, idle, upgrade").into());
    }
    for program in ["/usr/sbin/nginx", "/usr/sbin/haproxy"] {
        if !Path::new(program).exists() {
            return Err(format!("{program} is missing; install Debian's nginx and haproxy").into());
        }
    }
    if wanted("throughput") {
        say(&exchange::throughput().await?);
    }
    if wanted("echo") {
        say(&exchange::echo().await?);
    }
    if wanted("idle") {
        say(&idle::run().await?);
    }
    Ok(())
}

/// All proxies in front of `upstream`.
async fn all(dir: &Path, upstream: std::net::SocketAddr) -> Result<Vec<Target>, Failure> {
    Ok(vec![
        targets::haproxy(dir, upstream).await?,
        targets::nginx(dir, upstream).await?,
        targets::naive(upstream).await?,
        targets::pump(upstream).await?,
    ])
}

/// The row that others are compared with.
const REFERENCE: &str = "HAProxy";
