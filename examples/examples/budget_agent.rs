//! An agent that stays within a budget all day: a simulated day of 24 hours in a few seconds, on the dev chain.
//!
//! `cargo run -p tollwire-examples --example budget_agent [-- URL]`
//!
//! Without a URL it starts a facilitator of its own (`facilitator dev`, built if need be). Every hour the agent wants three
//! looks at a live feed, each a stream of its own at a cent. A day of that costs $0.72 and the budget is $0.50, so it
//! spreads the money over the day: in each hour at most what the hours so far have earned. Whatever it does, its payer
//! signs no more than the budget: that is not the agent's decision.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tollwire_client::{Budget, Config, Event, PayOn, Payer, Session, StreamClient, Wallet, session_url};
use tollwire_x402::{Network, Usdc};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const HOURS: u64 = 24;
/// Looks at the feed that the agent wants in each hour.
const LOOKS: u64 = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let facilitator = match std::env::args().nth(1) {
        Some(url) => Seller { url, process: None },
        None => Seller::start().await?,
    };
    let url = session_url(&facilitator.url)?;
    let budget = Budget::new("0.10".parse()?, "0.50".parse()?);
    let mut config = Config::new([Network::BASE_SEPOLIA]);
    // It pays when it decides to look and nothing is left, not ahead of time within a stream.
    config.pay_on = PayOn::TopUp;
    let payer = Payer::new(Wallet::random()?, budget.clone(), config)?;
    println!("paying from {}, at most {} today", payer.address(), budget.total());

    let mut agent = Agent { payer, url, session: None, looks: 0 };
    let mut missed = 0;
    for hour in 0..HOURS {
        let allowed = share(budget.total(), hour + 1)?;
        let mut looked = 0;
        for _ in 0..LOOKS {
            if agent.may_look(allowed) {
                agent.look().await?;
                looked += 1;
            }
        }
        missed += LOOKS - looked;
        println!("{hour:02}:00  {looked} looks, {} of {} spent", budget.spent(), budget.total());
    }
    println!(
        "the day: {} looks, {missed} forgone, spent {} of {}",
        agent.looks,
        budget.spent(),
        budget.total()
    );
    if budget.spent() > budget.total() {
        return Err("over budget".into());
    }
    Ok(())
}

/// What may be spent by the end of an hour, counted from 1.
fn share(total: Usdc, hours: u64) -> Result<Usdc> {
    let atomic = total.atomic() * hours / HOURS;
    Ok(Usdc::from_atomic(atomic).ok_or("too much")?)
}

struct Agent {
    payer: Payer,
    url: String,
    session: Option<Session>,
    looks: u64,
}

impl Agent {
    /// Whether a look is within the hour's allowance: paid for already, or affordable.
    fn may_look(&self, allowed: Usdc) -> bool {
        let left = self.session.as_ref().map_or(0, |session| session.units_remaining);
        let budget = self.payer.budget();
        let next = budget.spent().checked_add(budget.per_payment());
        left > 0 || next.is_some_and(|sum| sum <= allowed)
    }

    /// One look: open a stream, read a message, close it. The session lasts for many; when it is used up the stream
    /// client pays for more.
    async fn look(&mut self) -> Result<()> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.payer.buy(&self.url).await?,
        };
        let mut stream = StreamClient::resume(self.payer.clone(), &self.url, session).await?;
        while !matches!(stream.next().await?, Some(Event::Message(_)) | None) {}
        stream.close().await?;
        self.looks += 1;
        let mut session = stream.session().clone();
        // The facilitator's books count, not ours.
        session.units_remaining = self.payer.balance(&session).await?.units_remaining;
        self.session = Some(session);
        Ok(())
    }
}

/// The seller of the feed.
struct Seller {
    url: String,
    process: Option<Child>,
}

impl Seller {
    /// Starts `facilitator dev` on a free port.
    async fn start() -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let process =
            Command::new(binary()?).args(["dev", "--listen", &address]).stdout(Stdio::null()).spawn()?;
        let seller = Self { url: format!("http://{address}/feeds/ticks"), process: Some(process) };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                return Ok(seller);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the facilitator does not listen".into())
    }
}

impl Drop for Seller {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}

/// The facilitator beside this example; built first if it is not there.
fn binary() -> Result<PathBuf> {
    // target/debug/examples/budget_agent -> target/debug/facilitator
    let own = std::env::current_exe()?;
    let path = own.ancestors().nth(2).ok_or("no folder")?.join("facilitator");
    if !path.is_file() {
        let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        build.args(["build", "--package", "facilitator"]);
        if path.iter().any(|part| part == "release") {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err("the facilitator cannot be built".into());
        }
    }
    Ok(path)
}
