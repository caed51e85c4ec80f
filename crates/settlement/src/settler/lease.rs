//! One process at a time works on a payment, a refund or a payout.

use std::time::Duration;
use tokio::time::Instant;
use tollwire_ledger::{Error, Ledger};
use tollwire_x402::PaymentId;

/// A payment, refund or payout that is this process's own, until it says otherwise or falls silent.
///
/// Its end is reckoned on this process's monotonic clock, from before the request was sent, and with a margin: it
/// stops before the store would let anybody else begin.
pub(super) struct Lease<'a> {
    ledger: &'a dyn Ledger,
    name: String,
    holder: &'a str,
    ttl: Duration,
    good_until: Instant,
}

impl<'a> Lease<'a> {
    /// Takes the lease of a payment; `None` while another process has it.
    pub(super) async fn take(
        ledger: &'a dyn Ledger,
        id: &PaymentId,
        holder: &'a str,
        ttl: Duration,
    ) -> Result<Option<Self>, Error> {
        Self::named(ledger, format!("settle:{id}"), holder, ttl).await
    }

    /// Takes the lease of this name; `None` while another process has it.
    pub(super) async fn named(
        ledger: &'a dyn Ledger,
        name: String,
        holder: &'a str,
        ttl: Duration,
    ) -> Result<Option<Self>, Error> {
        let asked = Instant::now();
        let taken = ledger.lease(&name, holder, ttl).await?;
        Ok(taken.then(|| Self { ledger, name, holder, ttl, good_until: asked + trusted(ttl) }))
    }

    /// Renews it again and again; returns when it can no longer be relied on.
    pub(super) async fn keep(&mut self) {
        loop {
            let rest = self.good_until.saturating_duration_since(Instant::now()) / 2;
            if rest < self.ttl / 16 {
                return;
            }
            tokio::time::sleep(rest).await;
            let asked = Instant::now();
            let renewal = self.ledger.lease(&self.name, self.holder, self.ttl);
            match tokio::time::timeout_at(self.good_until, renewal).await {
                Ok(Ok(true)) => self.good_until = asked + trusted(self.ttl),
                Ok(Ok(false)) => return,
                // Not renewed, not lost either: try again while what we have lasts.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Gives it back, so that the next one need not wait for its end.
    pub(super) async fn give_back(self) {
        if let Err(error) = self.ledger.release(&self.name, self.holder).await {
            tracing::debug!(%error, "lease not given back; it lapses by itself");
        }
    }
}

/// How much of a lease its holder relies on.
fn trusted(ttl: Duration) -> Duration {
    ttl.saturating_sub(ttl / 5)
}
