//! An agent: answers events of the messaging bridge, word by word.
//!
//! `AGENT_TOKEN=rla_... cargo run -p tollwire-examples --example bridge_agent -- ws://127.0.0.1:4030/v1/ws/agent`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use tollwire_client::bridge::{AgentClient, AgentEvent, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give the URL, such as ws://127.0.0.1:4030/v1/ws/agent")?;
    let mut agent = AgentClient::connect(Config::new(url, std::env::var("AGENT_TOKEN")?))?;
    while let Some(event) = agent.next().await {
        match event {
            AgentEvent::Connected => println!("connected"),
            AgentEvent::Event { event, app, thread, payload, redelivered } => {
                println!("{app} in {thread}: {payload}{}", if redelivered { " (again)" } else { "" });
                // From here on it is ours: it does not come again if this connection breaks.
                agent.acknowledge(&event).await?;
                let answer = format!("You said {payload}.");
                for word in answer.split_inclusive(' ') {
                    agent.token(&event, word).await?;
                }
                agent.reply(&event, &answer).await?;
            }
            AgentEvent::Refused { code, .. } => println!("refused: {code}"),
            AgentEvent::Ended { code } => return Err(format!("closed for good with {code}").into()),
            _ => {}
        }
    }
    Ok(())
}
