//! An agent of the story, and what it has bought.

use super::demo;
use crate::dev::DevNode;
use crate::failure::Failure;
use tollwire_client::{Budget, Config, Payer, Session, Wallet};
use tollwire_x402::{SessionId, Usdc};

/// One agent with a wallet of its own.
pub(super) struct Account {
    pub(super) payer: Payer,
    /// What its wallet held before.
    pub(super) before: Usdc,
    /// What it bought, in order.
    pub(super) sessions: Vec<SessionId>,
}

impl Account {
    /// An agent that may sign so many atomic units per payment and in all.
    pub(super) fn new(
        node: &DevNode,
        (per_payment, total): (u64, u64),
        config: Config,
    ) -> Result<Self, Failure> {
        let usdc = |atomic| Usdc::from_atomic(atomic).unwrap_or_default();
        let budget = Budget::new(usdc(per_payment), usdc(total));
        let payer = Payer::new(Wallet::random().map_err(demo)?, budget, config).map_err(demo)?;
        Ok(Self { before: node.chain.balance_of(&payer.address()), payer, sessions: Vec::new() })
    }

    /// Buys a session.
    pub(super) async fn buy(&mut self, url: &str) -> Result<Session, Failure> {
        let session = self.payer.buy(url).await.map_err(demo)?;
        self.sessions.push(session.jti.clone());
        Ok(session)
    }
}
