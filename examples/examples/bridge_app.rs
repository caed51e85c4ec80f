//! An app: asks an agent over the messaging bridge, and prints its answer as it comes.
//!
//! `APP_TOKEN=rlk_... cargo run -p tollwire-examples --example bridge_app -- ws://127.0.0.1:4030/v1/ws/app AGENT TEXT`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::Write as _;
use tollwire_client::bridge::{AppClient, AppEvent, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(agent)) = (arguments.next(), arguments.next()) else {
        return Err("give the URL, such as ws://127.0.0.1:4030/v1/ws/app, and the agent's name".into());
    };
    let text = arguments.next().unwrap_or_else(|| "hello".into());
    let mut app = AppClient::connect(Config::new(url, std::env::var("APP_TOKEN")?))?;
    // The payload is ours: any JSON, and it reaches the agent byte for byte.
    app.send(&agent, "example", &serde_json::json!({ "text": text }).to_string()).await?;
    while let Some(event) = app.next().await {
        match event {
            AppEvent::Connected => println!("connected"),
            AppEvent::Accepted { event, queued, .. } => {
                println!("{event} accepted{}", if queued { ": it waits for its agent" } else { "" });
            }
            AppEvent::Token { text, .. } => {
                print!("{text}");
                std::io::stdout().flush()?;
            }
            AppEvent::Reply { content, .. } => {
                println!("\n{content}");
                return Ok(());
            }
            AppEvent::Failed { code, error, .. } => return Err(format!("{code}: {error}").into()),
            AppEvent::Ended { code } => return Err(format!("closed for good with {code}").into()),
            _ => {}
        }
    }
    Ok(())
}
