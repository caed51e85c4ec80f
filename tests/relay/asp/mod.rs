//! Agent sessions through the real binary.

mod clients;
mod companion;
mod events;
mod kills;
mod limits;
mod nodes;
mod operator;
mod packed;
mod proofs;
mod python;
mod rig;
mod talk;
mod together;
mod transcripts;
