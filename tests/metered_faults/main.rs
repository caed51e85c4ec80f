//! Metered streams of every unit while parts fail: links, nodes, stores, clocks.
//!
//! What is shown each time: a stream whose lease cannot be renewed ends cleanly after its lease and is served nothing
//! beyond it; what the agents got and what the ledger captured differ by one lease per fault and stream at most; nothing
//! stays held once leases have lapsed; captured + held + remaining = bought, always; and when the part is back, so are
//! payments and opens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

mod agent_link;
mod books;
mod clock;
mod kills;
mod redis_restart;
mod rig;
mod standstill;
mod store_link;
mod stream;
mod upstream_link;

use std::time::Duration;
use tokio::task::JoinHandle;

/// Runs scenarios beside each other, each with processes of its own; the first that fails fails all.
async fn together(scenarios: Vec<(&str, JoinHandle<()>)>) {
    for (name, scenario) in scenarios {
        if let Err(error) = scenario.await {
            panic!("{name}: {error}");
        }
    }
}

/// Time that a slow machine may need for anything.
const SLACK: Duration = Duration::from_secs(3);
