//! The agent's side of Tollwire: pay for a feed within a budget, open its stream, pay on when it runs dry.
//!
//! - [`Payer`] answers a 402 with a signed payment and collects the session it buys. A payment whose answer was
//!   lost is sent again, never made again.
//! - [`StreamClient`] opens the WebSocket, and when the session is exhausted (close 4008, or a refused upgrade that
//!   can be paid for) buys another session on the terms of the first.
//! - [`Budget`] bounds what a payer may sign. There is no payer without one.
//! - [`HttpFacilitator`] speaks to any x402 facilitator.
//!
//! It is **not** a wallet: keys come from the caller, and balances are not looked at.
//!
//! ```no_run
//! # async fn example() -> Result<(), tollwire_client::Error> {
//! use tollwire_client::{Budget, Config, Event, Payer, StreamClient, Wallet};
//! use tollwire_x402::Network;
//!
//! let wallet = Wallet::evm(&std::env::var("AGENT_KEY").unwrap_or_default())?;
//! let budget = Budget::new("0.10".parse()?, "2".parse()?);
//! let payer = Payer::new(wallet, budget, Config::new([Network::BASE]))?;
//! let mut stream = StreamClient::open(payer, "https://pay.example/feeds/ticks/session").await?;
//! while let Some(event) = stream.next().await? {
//!     match event {
//!         Event::Message(message) => println!("{message:?}"),
//!         Event::Renewed { paid } => println!("paid {paid} and went on"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod budget;
mod config;
mod endpoint;
mod error;
mod facilitator;
mod http_client;
mod offer;
mod payer;
mod payment;
mod session;
mod stream;
mod tls;

mod wallet;

pub use budget::Budget;
pub use config::Config;
pub use error::Error;
pub use facilitator::HttpFacilitator;
pub use payer::Payer;
pub use payment::Payment;
pub use session::Session;
pub use stream::{Closed, Event, Message, StreamClient};
pub use wallet::Wallet;
