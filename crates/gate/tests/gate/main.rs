//! The gate over its services: real dev chain, real signatures, ledger in memory.

mod admin;
mod bill;
mod collect;
mod facilitator;
mod garbage;
mod pay;
mod pending;
mod public;
mod sign_in;
mod support;
mod tariff;
