//! The orchestrator through the real binary: its brain a process of its own, its agents real servers.

mod audit;
mod clients;
mod doubt;
mod health;
mod helper;
mod kills;
mod nodes;
mod on_bridge;
mod overview;
mod paying;
mod people;
mod priced;
mod revoking;
mod rig;
mod talk;
