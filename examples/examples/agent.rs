//! An agent: buys a session, streams, and pays again by itself when the balance is spent, within a budget.
//!
//! `cargo run -p tollwire-examples --example agent -- http://127.0.0.1:4020/feeds/ticks/session [MESSAGES]`
//!
//! It pays from the wallet in `AGENT_KEY` (64 hexadecimal digits), or from a new one, which is all the dev chain needs.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use tollwire_client::{Budget, Config, Event, Message, Payer, StreamClient, Wallet};
use tollwire_x402::{Network, Usdc};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url =
        arguments.next().ok_or("give the session URL, such as http://127.0.0.1:4020/feeds/ticks/session")?;
    let messages: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let wallet = match std::env::var("AGENT_KEY") {
        Ok(key) => Wallet::evm(&key)?,
        Err(_) => Wallet::random()?,
    };
    // A cap is not optional: at most 10 cents per payment and a dollar in all.
    let budget = Budget::new("0.10".parse::<Usdc>()?, "1".parse::<Usdc>()?);
    let payer = Payer::new(wallet, budget.clone(), Config::new([Network::BASE, Network::BASE_SEPOLIA]))?;
    println!("paying from {}", payer.address());

    let mut stream = StreamClient::open(payer, &url).await?;
    println!("session {} bought for {}", stream.session().jti, stream.session().paid);
    let mut seen = 0;
    while seen < messages {
        match stream.next().await? {
            Some(Event::Message(Message::Text(text))) => {
                seen += 1;
                println!("{text}");
            }
            Some(Event::Message(Message::Binary(bytes))) => {
                seen += 1;
                println!("{} bytes", bytes.len());
            }
            Some(Event::Exhausted { reason }) => println!("4008: {reason}"),
            Some(Event::ToppedUp { paid, units }) => println!("paid {paid}, {units} units left"),
            Some(Event::Renewed { paid }) => println!("open again, paid {paid}"),
            Some(Event::Closed(closed)) => println!("closed: {} {}", closed.code, closed.reason),
            Some(_) => {}
            None => break,
        }
    }
    println!("spent {} of {}", budget.spent(), budget.total());
    stream.close().await?;
    Ok(())
}
