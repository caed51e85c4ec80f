//! The messaging bridge: apps and agents through the real binary.

mod clients;
mod cluster;
mod delivery;
mod kills;
mod limits;
mod nodes;
mod registrations;
mod rig;
mod strangers;
mod talk;
