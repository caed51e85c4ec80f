//! Prepaid accounts: bought from the broker, debited by its calls.

mod account;
mod brokers;
mod calls;
mod clients;
mod crashes;
