//! The Ledger on Redis: one Lua script and one round trip per transition.
