//! `facilitator cost-model`.

use crate::failure::Failure;
use crate::say;
use tollwire_settlement::cost_model::{Inputs, render};

/// Prints the paper's tables, computed from its inputs.
pub(crate) fn run() -> Result<(), Failure> {
    say::line(render(&Inputs::paper()).map_err(Failure::start)?);
    Ok(())
}
