//! APIs with a price of ours, on a dev chain or a real one: in the broker's own process, or settled by a facilitator over HTTP.

mod agents;
mod attacks;
mod brokers;
mod chains;
mod clients;
mod collecting;
mod crashes;
mod doubt;
mod selling;
pub(crate) mod shop;
