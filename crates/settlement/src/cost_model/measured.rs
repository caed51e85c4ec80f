//! What settlements cost by measurement, beside what the paper assumes.

use super::render::{count, money, part, push, row};
use super::{Inputs, ModelError};
use tollwire_x402::Usdc;

/// Gas of one `transferWithAuthorization` (the form with v, r, s) on Circle's FiatTokenV2_2, payer and payee holding USDC.
pub const EVM_GAS_ALONE: u64 = 103_382;

/// What Solana charges per signature, in lamports.
pub const LAMPORTS_PER_SIGNATURE: u64 = 5_000;

/// Signatures of a settlement on Solana: the fee payer's and the payer's.
pub const SOLANA_SIGNATURES: u64 = 2;

const WEI_PER_COIN: u128 = 1_000_000_000_000_000_000;
const LAMPORTS_PER_SOL: u128 = 1_000_000_000;

/// A measured cost of one settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The chain of the model that it is compared with.
    pub chain: String,
    /// How it settles, for people.
    pub how: String,
    /// What was measured, and at which rates it is reckoned.
    pub from: String,
    /// What one settlement costs, rounded up.
    pub gas: Usdc,
}

impl Measured {
    /// On an EVM chain: a transaction of so much `gas` that settles so many deposits, at a price per gas in wei and a
    /// price per coin. `None` if it cannot be counted.
    pub fn evm(chain: &str, gas: u64, settles: u64, wei_per_gas: u64, usdc_per_coin: Usdc) -> Option<Self> {
        let wei = u128::from(gas).checked_mul(u128::from(wei_per_gas))?;
        let atomic = wei.checked_mul(u128::from(usdc_per_coin.atomic()))?;
        let per_settlement = WEI_PER_COIN.checked_mul(u128::from(settles)).filter(|all| *all > 0)?;
        let how = if settles == 1 { "alone".to_owned() } else { format!("batch of {}", count(settles)) };
        let from = format!("{} gas x {} wei, {usdc_per_coin} per coin", count(gas), count(wei_per_gas));
        Some(Self { chain: chain.to_owned(), how, from, gas: usdc(atomic.div_ceil(per_settlement))? })
    }

    /// On Solana: so many signatures and a priority fee in lamports, at a price per SOL.
    pub fn solana(chain: &str, signatures: u64, priority: u64, usdc_per_sol: Usdc) -> Option<Self> {
        let lamports = signatures.checked_mul(LAMPORTS_PER_SIGNATURE)?.checked_add(priority)?;
        let atomic = u128::from(lamports).checked_mul(u128::from(usdc_per_sol.atomic()))?;
        let from = format!(
            "{signatures} x {} + {} lamports, {usdc_per_sol} per SOL",
            count(LAMPORTS_PER_SIGNATURE),
            count(priority)
        );
        let gas = usdc(atomic.div_ceil(LAMPORTS_PER_SOL))?;
        Some(Self { chain: chain.to_owned(), how: "alone".to_owned(), from, gas })
    }
}

fn usdc(atomic: u128) -> Option<Usdc> {
    Usdc::from_atomic(u64::try_from(atomic).ok()?)
}

/// The measured costs beside the paper's assumptions: gas per settlement, and what the provider gets per stream, settled
/// one by one and by session deposit.
pub fn render_measured(inputs: &Inputs, measured: &[Measured]) -> Result<String, ModelError> {
    let streams = inputs.session_streams;
    let net = |gas: Usdc| -> Result<[String; 2], ModelError> {
        let single = inputs.waterfall(gas)?.provider_net;
        let session = inputs.divide(streams, gas)?.provider_net;
        Ok([money(single, 6), money(part(session, streams)?, 6)])
    };
    let session = format!("Net, session of {}", count(streams));
    let mut rows = vec![row(["Settlement", "Gas", "Net, single", session.as_str(), "From"])];
    for chain in &inputs.chains {
        let [single, deposit] = net(chain.gas)?;
        let name = format!("{}, assumed by the paper", chain.name);
        rows.push(row([&name, &money(chain.gas, 6), &single, &deposit, "appendix A"]));
        for found in measured.iter().filter(|found| found.chain == chain.name) {
            let [single, deposit] = net(found.gas)?;
            let name = format!("{}, measured, {}", found.chain, found.how);
            rows.push(row([&name, &money(found.gas, 6), &single, &deposit, &found.from]));
        }
    }
    if measured.iter().any(|found| inputs.chains.iter().all(|chain| chain.name != found.chain)) {
        return Err(ModelError("a measured chain is not one of the model's"));
    }
    let mut page = String::new();
    push(
        &mut page,
        &format!("Measured costs beside the paper's, per stream of {}", money(inputs.price, 2)),
        &rows,
    );
    Ok(page)
}
