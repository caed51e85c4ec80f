//! The agent's side of Tollwire: pay for a feed within a budget, open its stream, pay on before it runs dry.
//!
//! - [`Payer`] answers a 402 with a signed payment and collects the session it buys; it tops sessions up, and comes
//!   back to them after a restart: with what was kept ([`Payer::restore`]), or with nothing but its wallet
//!   ([`Payer::sign_in`]). A payment whose answer was lost is sent again, never made again.
//! - [`Payer::get`] pays for a single answer of any x402 server.
//! - [`StreamClient`] opens the WebSocket and pays on: within the stream, when the facilitator's signed notice of a low
//!   balance comes; else over HTTP, when the session is exhausted (close 4008, or a refused upgrade that can be paid
//!   for); else by another session. All on the terms of the session's first bill. [`Event`] says what happens.
//! - [`Budget`] bounds what a payer may sign. There is no payer without one.
//! - [`Receipt`] is a usage receipt whose signature was verified.
//! - [`RelayClient`] calls APIs through a broker: many at once over one WebSocket, over HTTP where there is none, each
//!   paid for once.
//! - [`HttpFacilitator`] speaks to any x402 facilitator.
//! - [`bridge`] has both sides of a messaging bridge, an app's and an agent's, which pay nothing.
//! - [`orchestrator`] has a person's side of one, who is asked before agents cost anything.
//! - [`asp`] has an agent's side of sessions with agents of other organisations, which pay nothing either.
//!
//! It is **not** a wallet: keys come from the caller, and balances are not looked at.
//!
//! # Who is believed
//!
//! A control message within a stream (`{"type":"x402/...`) counts only if the facilitator signed it: for this session, this
//! very text, within the last five minutes, with a key that the facilitator's host publishes. Anything else is the
//! feed's own message, which may say what it likes and is never paid. Offers are taken only if network, asset and payee
//! stood in the session's first bill, and if the price per unit has not risen, unless
//! [`Budget::with_price_max`] allows it. A wallet signs in only at the very host it talks to.
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
//!         Event::ToppedUp { paid, units } => println!("paid {paid}, {units} units left"),
//!         _ => {}
//!     }
//! }
//! println!("spent {}", stream.spent());
//! # Ok(())
//! # }
//! ```

pub mod asp;
pub mod bridge;
pub mod orchestrator;

mod budget;
mod config;
mod control;
mod endpoint;
mod error;
mod facilitator;
mod http_client;
mod keys;
mod offer;
mod payer;
mod payment;
mod receipt;
mod relay;
mod saved;
mod session;
mod sign_in;
mod solana;
mod stream;
mod tls;
mod wallet;

#[cfg(test)]
mod vectors;

pub use budget::Budget;
pub use config::{Config, PayOn, Signed};
pub use endpoint::session_url;
pub use error::Error;
pub use facilitator::HttpFacilitator;
pub use keys::published_keys;
pub use payer::{Balance, Fetched, Payer, ToppedUp};
pub use payment::{Payment, SavedPayment};
pub use receipt::Receipt;
pub use relay::{ApiCall, CALL_WAIT, Called, RelayClient, Way};
pub use saved::SavedSession;
pub use session::Session;
pub use stream::{Closed, Event, Message, StreamClient};
pub use wallet::Wallet;
