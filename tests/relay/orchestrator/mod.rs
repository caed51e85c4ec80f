//! The orchestrator through the real binary: its brain a process of its own, its agents real servers.

mod clients;
mod doubt;
mod helper;
mod kills;
mod nodes;
mod on_bridge;
mod paying;
mod people;
mod rig;
mod talk;
