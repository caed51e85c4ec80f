//! Agent sessions through the real binary.

mod clients;
mod limits;
mod nodes;
mod proofs;
mod python;
mod rig;
mod talk;
mod transcripts;
