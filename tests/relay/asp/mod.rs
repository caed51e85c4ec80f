//! Agent sessions through the real binary.

mod limits;
mod nodes;
mod proofs;
mod python;
mod rig;
mod talk;
mod transcripts;
