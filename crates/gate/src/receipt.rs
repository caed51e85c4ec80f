//! Receipts: what a session bought and used, signed, for its payer to keep.

use crate::error::Error;
use crate::gate::Gate;
use tollwire_ledger::model::Session;
use tollwire_session::ReceiptClaims;
use tollwire_settlement::dues::{Unspent, statement};
use tollwire_x402::{SessionId, Usdc};

impl Gate {
    /// The receipt for a session as it stands: a JWS that anybody can verify with our public keys.
    pub(crate) fn receipt(&self, jti: &SessionId, session: &Session) -> Result<String, Error> {
        let now = self.clock.now();
        let over = session.revoked || session.closed || now >= session.balance_until;
        // The price of what was used alone; fee and gas are between operator and provider.
        let used_amount = statement(session, 0, Unspent::Refund).map_or(Usdc::ZERO, |money| money.accrued);
        let keys = self.keys();
        let claims = ReceiptClaims {
            iss: keys.issuer.issuer().to_owned(),
            sub: session.payer.clone(),
            jti: jti.clone(),
            feed: session.feed.clone(),
            unit: session.unit,
            network: session.network,
            chain: session.chain.clone(),
            bought: session.bought,
            used: session.captured,
            refunded: session.refunded,
            remaining: session.remaining(),
            amount: session.deposited,
            used_amount,
            from: session.opened.secs(),
            to: now.secs().max(session.opened.secs()),
            iat: now.secs(),
            is_final: over && session.held() == 0 && session.remaining() == 0,
        };
        Ok(keys.issuer.issue_receipt(&claims)?)
    }
}
