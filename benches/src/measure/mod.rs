//! What is measured, and how often.

mod asp;
mod broker;
mod exchange;
mod facilitators;
mod idle;
mod instructions;
mod job;
mod live;
mod metering;
mod store;
mod upgrade;

use std::net::SocketAddr;
use std::path::Path;

use crate::arguments::optional;
use crate::numbers::ratio;
use crate::targets::{self, Target};
use crate::{Failure, say, table};

/// Rounds of every measurement; the median counts.
const ROUNDS: usize = 7;

/// The measurements: four beside the rivals, what metering and its store cost, two facilitators, the broker, and its agent
/// sessions.
const MEASUREMENTS: [&str; 10] =
    ["throughput", "echo", "idle", "upgrade", "metering", "live", "store", "facilitators", "broker", "asp"];

/// What to run: `[all|NAME] [--rounds N] [--only NAME,NAME]`.
#[derive(Debug, Clone)]
struct Plan {
    rounds: usize,
    /// Parts of the names of the proxies to run; empty for all of them.
    only: Vec<String>,
}

/// Runs the measurements that `arguments` name; all of them if they name none.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let chosen = arguments.first().filter(|first| !first.starts_with("--")).map_or("all", String::as_str);
    let only = optional(arguments, "only").map(|names| names.split(',').map(str::to_owned).collect());
    let rounds = optional(arguments, "rounds").map_or(Ok(ROUNDS), str::parse)?;
    let plan = Plan { rounds, only: only.unwrap_or_default() };
    let wanted = |name: &str| chosen == "all" || chosen == name;
    if chosen != "all" && !MEASUREMENTS.contains(&chosen) {
        return Err(format!("{chosen} is none of all, {}", MEASUREMENTS.join(", ")).into());
    }
    for program in ["/usr/sbin/nginx", "/usr/sbin/haproxy"] {
        if !Path::new(program).exists() {
            return Err(format!("{program} is missing; install Debian's nginx and haproxy").into());
        }
    }
    say(&format!(
        "Against {} and {}; medians of {rounds} rounds, every proxy on one thread.\n",
        version("/usr/sbin/haproxy", "-v").await?,
        version("/usr/sbin/nginx", "-v").await?,
    ));
    for name in MEASUREMENTS.into_iter().filter(|name| wanted(name)) {
        say(&match name {
            "throughput" => exchange::throughput(&plan).await?,
            "echo" => exchange::echo(&plan).await?,
            "idle" => idle::run(&plan).await?,
            "upgrade" => upgrade::run(&plan).await?,
            "metering" => metering::run(&plan).await?,
            "live" => live::run(&plan).await?,
            "store" => store::run(&plan).await?,
            "broker" => broker::run(&plan).await?,
            "asp" => asp::run(&plan).await?,
            _ => facilitators::run(&plan).await?,
        });
    }
    Ok(())
}

/// What a program calls itself: the version that is on the first line of what it prints.
async fn version(program: &str, flag: &str) -> Result<String, Failure> {
    let said = tokio::process::Command::new(program).arg(flag).output().await?;
    let text = String::from_utf8_lossy(if said.stdout.is_empty() { &said.stderr } else { &said.stdout })
        .into_owned();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("nginx version: ");
    Ok(line.split_whitespace().take(3).filter(|word| *word != "version").collect::<Vec<_>>().join(" "))
}

/// The chosen proxies, in front of `upstream`.
async fn start(plan: &Plan, dir: &Path, upstream: SocketAddr) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for name in targets::NAMES {
        if plan.only.is_empty() || plan.only.iter().any(|part| name.contains(part.as_str())) {
            targets.push(targets::start(name, dir, upstream).await?);
        }
    }
    Ok(targets)
}

/// One figure per proxy, shown as `show` says and as a multiple of the reference's.
fn compared(
    title: &str,
    unit: &str,
    reference: &str,
    found: &[(&str, u64)],
    show: fn(u64) -> String,
) -> String {
    let whole = found.iter().find(|(name, _)| *name == reference).map_or(0, |(_, value)| *value);
    let row = |(name, value): &(&str, u64)| {
        vec![(*name).to_owned(), show(*value), format!("{}x", ratio(*value, whole))]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    table::render(&[title, unit, &format!("of {reference}'s")], &rows)
}
