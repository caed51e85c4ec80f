//! The paper's cost model: Tables 3 to 7 and appendix A, from their inputs, in integers.
//!
//! Every figure is an amount of atomic USDC. Where a division does not come out even, money is rounded down and
//! counts of streams are rounded up, so no figure promises more than there is.

mod appendix;
mod measured;
mod render;

pub use appendix::appendix;
pub use measured::{EVM_GAS_ALONE, LAMPORTS_PER_SIGNATURE, Measured, SOLANA_SIGNATURES, render_measured};
pub use render::render;

use tollwire_x402::Usdc;

/// What a settlement costs on one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCost {
    /// For people.
    pub name: String,
    /// Gas per settlement.
    pub gas: Usdc,
}

/// What the model starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Price of one stream.
    pub price: Usdc,
    /// The chains to compare; session, projection and subscription figures are for the first.
    pub chains: Vec<ChainCost>,
    /// The operator's fee in basis points.
    pub fee_bps: u16,
    /// The operator's own cost per stream.
    pub infra: Usdc,
    /// Streams bought with one session deposit.
    pub session_streams: u64,
    /// Monthly volumes to project, in streams.
    pub volumes: Vec<u64>,
    /// The subscription to compare with: name and monthly price.
    pub subscription: (String, Usdc),
    /// Fleets to compare with it: number of agents, streams per agent and month.
    pub fleets: Vec<(u64, u64)>,
}

/// How one payment divides (Tables 3 and 4; appendix A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waterfall {
    /// What the agent pays.
    pub paid: Usdc,
    /// Gas of its settlement.
    pub gas: Usdc,
    /// The operator's fee before its costs.
    pub facilitator_gross: Usdc,
    /// The operator's costs.
    pub infra: Usdc,
    /// What the provider gets.
    pub provider_net: Usdc,
    /// What the operator keeps.
    pub facilitator_net: Usdc,
}

/// One settlement per stream against one per session (Table 5; appendix A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amortization {
    /// Streams compared.
    pub streams: u64,
    /// All streams together, settled one by one.
    pub single: Waterfall,
    /// All streams together, settled once.
    pub session: Waterfall,
}

/// A month's volume, settled stream by stream (Table 6; appendix A.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// Streams.
    pub streams: u64,
    /// Its sums.
    pub total: Waterfall,
}

/// Against a subscription (Table 7; appendix A.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The fewest streams whose net reaches the subscription's price.
    pub required_streams: u64,
    /// The same with two decimals, rounded to the nearest: hundredths of a stream.
    pub required_hundredths: u64,
    /// What that many streams bring the provider.
    pub provider_net: Usdc,
    /// Each fleet: agents, streams per agent, streams, provider net.
    pub fleets: Vec<(u64, u64, u64, Usdc)>,
}

/// A model cannot be computed: a sum exceeds what money can hold, or costs exceed the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cost model: {0}")]
pub struct ModelError(&'static str);

const TOO_LARGE: ModelError = ModelError("an amount is too large");
const UNDER_WATER: ModelError = ModelError("costs exceed what is paid");

impl Inputs {
    /// The inputs of the paper's appendix A.
    pub fn paper() -> Self {
        let usdc = |atomic| Usdc::from_atomic(atomic).unwrap_or_default();
        Self {
            price: usdc(1_000_000),
            chains: vec![
                ChainCost { name: "Base".into(), gas: usdc(7_000) },
                ChainCost { name: "Solana".into(), gas: usdc(1_250) },
            ],
            fee_bps: 100,
            infra: usdc(2_000),
            session_streams: 10,
            volumes: vec![100, 1_000, 10_000],
            subscription: ("QuickNode Scale".into(), usdc(499_000_000)),
            fleets: vec![(10, 25), (10, 100), (10, 1_000)],
        }
    }

    /// How one stream's price divides on a chain.
    pub fn waterfall(&self, gas: Usdc) -> Result<Waterfall, ModelError> {
        self.divide(1, gas)
    }

    /// One settlement per stream against one per session, on the first chain.
    pub fn amortization(&self) -> Result<Amortization, ModelError> {
        let streams = self.session_streams;
        let gas = self.first_gas()?;
        let session = self.divide(streams, gas)?;
        Ok(Amortization { streams, single: self.waterfall(gas)?.times(streams)?, session })
    }

    /// A month's volume on the first chain, settled stream by stream.
    pub fn projection(&self, streams: u64) -> Result<Projection, ModelError> {
        Ok(Projection { streams, total: self.waterfall(self.first_gas()?)?.times(streams)? })
    }

    /// What it takes to earn as much as the subscription costs, on the first chain.
    pub fn comparison(&self) -> Result<Comparison, ModelError> {
        let net = self.waterfall(self.first_gas()?)?.provider_net;
        let target = self.subscription.1.atomic();
        if net == Usdc::ZERO {
            return Err(UNDER_WATER);
        }
        let required_streams = target.div_ceil(net.atomic());
        let hundredths = target.checked_mul(200).ok_or(TOO_LARGE)?.checked_div(net.atomic());
        let bring = |streams: u64| net.checked_mul(streams).ok_or(TOO_LARGE);
        let fleet = |(agents, each): &(u64, u64)| {
            let streams = agents.checked_mul(*each).ok_or(TOO_LARGE)?;
            Ok((*agents, *each, streams, bring(streams)?))
        };
        Ok(Comparison {
            required_streams,
            required_hundredths: hundredths.unwrap_or(0).div_ceil(2),
            provider_net: bring(required_streams)?,
            fleets: self.fleets.iter().map(fleet).collect::<Result<_, _>>()?,
        })
    }

    fn first_gas(&self) -> Result<Usdc, ModelError> {
        self.chains.first().map(|chain| chain.gas).ok_or(ModelError("no chain is given"))
    }

    /// Divides the price of some streams that share one settlement.
    fn divide(&self, streams: u64, gas: Usdc) -> Result<Waterfall, ModelError> {
        let paid = self.price.checked_mul(streams).ok_or(TOO_LARGE)?;
        let gross = paid.share_bps(self.fee_bps).ok_or(ModelError("the fee exceeds 10,000 basis points"))?;
        let infra = self.infra.checked_mul(streams).ok_or(TOO_LARGE)?;
        let after_gas = paid.checked_sub(gas).ok_or(UNDER_WATER)?;
        Ok(Waterfall {
            paid,
            gas,
            facilitator_gross: gross,
            infra,
            provider_net: after_gas.checked_sub(gross).ok_or(UNDER_WATER)?,
            facilitator_net: gross.checked_sub(infra).ok_or(UNDER_WATER)?,
        })
    }
}

impl Waterfall {
    /// Each part times a count.
    fn times(self, count: u64) -> Result<Self, ModelError> {
        let times = |part: Usdc| part.checked_mul(count).ok_or(TOO_LARGE);
        Ok(Self {
            paid: times(self.paid)?,
            gas: times(self.gas)?,
            facilitator_gross: times(self.facilitator_gross)?,
            infra: times(self.infra)?,
            provider_net: times(self.provider_net)?,
            facilitator_net: times(self.facilitator_net)?,
        })
    }

    /// The paper's verification line: the parts add up to what was paid.
    pub fn adds_up(&self) -> bool {
        [self.provider_net, self.facilitator_net, self.infra, self.gas]
            .into_iter()
            .try_fold(Usdc::ZERO, Usdc::checked_add)
            == Some(self.paid)
    }
}
