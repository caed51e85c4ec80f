//! `facilitator cost-model`.

use crate::cli::CostModelArgs;
use crate::failure::Failure;
use tollwire_ops::console;
use tollwire_settlement::cost_model::{
    Inputs, Measured, SOLANA_SIGNATURES, appendix, render, render_measured,
};

/// Prints the paper's tables and appendix A, computed from its inputs; and what was measured beside them.
pub(crate) fn run(args: &CostModelArgs) -> Result<(), Failure> {
    let inputs = Inputs::paper();
    console::line(render(&inputs).map_err(Failure::start)?);
    console::line(appendix(&inputs).map_err(Failure::start)?);
    if args.measured {
        let measured = measured(args).ok_or_else(|| Failure::Start("a cost is too large to count".into()))?;
        console::line(render_measured(&inputs, &measured).map_err(Failure::start)?);
    }
    Ok(())
}

fn measured(args: &CostModelArgs) -> Option<Vec<Measured>> {
    let alone = [(1, args.gas)];
    let evm = alone
        .iter()
        .chain(&args.batch)
        .map(|(settles, gas)| Measured::evm("Base", *gas, *settles, args.wei_per_gas, args.usdc_per_coin));
    let solana = Measured::solana("Solana", SOLANA_SIGNATURES, args.priority_lamports, args.usdc_per_sol);
    evm.chain(std::iter::once(solana)).collect()
}
