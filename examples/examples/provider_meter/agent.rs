//! An agent with two cents: it buys ten messages, and ten more when they are used up.

use std::error::Error;
use tollwire_client::{Budget, Config, Event, Message, PayOn, Payer, StreamClient, Wallet};
use tollwire_settlement::dev::NETWORK;
use tollwire_x402::Usdc;

/// Streams until the budget is spent.
pub(crate) async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    let mut config = Config::new([NETWORK]);
    // This provider says nothing about money within its stream: more is paid for over HTTP, when nothing is left.
    (config.control, config.pay_on) = (false, PayOn::TopUp);
    let budget = Budget::new("0.01".parse()?, "0.02".parse()?);
    let payer = Payer::new(Wallet::random()?, budget.clone(), config)?;
    println!("agent {} may spend {}", payer.address(), budget.total());
    let mut stream = StreamClient::open(payer, url).await?;
    loop {
        match stream.next().await? {
            Some(Event::Opened { units, paid, .. }) => println!("paid {paid} for {units} messages"),
            Some(Event::Message(Message::Text(text))) => println!("  {text}"),
            Some(Event::Exhausted { reason }) => {
                println!("CLOSE 4008 \"{reason}\"");
                if budget.left() == Usdc::ZERO {
                    println!("the budget is spent");
                    return Ok(());
                }
            }
            Some(Event::ToppedUp { paid, units }) => println!("paid {paid} more: {units} messages"),
            Some(Event::Receipt(receipt)) => {
                let said = receipt.claims();
                println!("a signed receipt: {} of {} messages used", said.used, said.bought);
            }
            Some(Event::Renewed { .. }) => println!("open again"),
            other => return Err(format!("instead of a tick came {other:?}").into()),
        }
    }
}
