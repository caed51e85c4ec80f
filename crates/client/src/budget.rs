//! The spend cap.

use crate::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tollwire_x402::Usdc;

/// What may be signed away: at most so much per payment, and so much in all.
///
/// A payment counts when it is **signed**, whatever becomes of it: whoever holds a signature can use it until it
/// expires. Clones share one account.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    per_payment: Usdc,
    total: Usdc,
    price_max: Option<Usdc>,
    /// Atomic units signed so far; at most `total`.
    spent: AtomicU64,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(per_payment: Usdc, total: Usdc) -> Self {
        Self(Arc::new(Inner { per_payment, total, price_max: None, spent: AtomicU64::new(0) }))
    }

    /// A budget for a job that has begun: `spent` of the total is gone already. A fresh account; clones made before
    /// are not touched.
    #[must_use]
    pub fn with_spent(self, spent: Usdc) -> Self {
        let spent = AtomicU64::new(spent.min(self.total()).atomic());
        Self(Arc::new(Inner { spent, ..self.terms() }))
    }

    /// The same limits, and a price of up to `most` per unit is paid even where it is higher than the feed's first
    /// bill said. Without this a feed that becomes dearer is not paid any more. A fresh account.
    #[must_use]
    pub fn with_price_max(self, most: Usdc) -> Self {
        let spent = AtomicU64::new(self.spent().atomic());
        Self(Arc::new(Inner { price_max: Some(most), spent, ..self.terms() }))
    }

    fn terms(&self) -> Inner {
        let Inner { per_payment, total, price_max, .. } = *self.0;
        Inner { per_payment, total, price_max, spent: AtomicU64::new(0) }
    }

    /// The most one payment may be.
    pub fn per_payment(&self) -> Usdc {
        self.0.per_payment
    }

    /// The most all payments together may be.
    pub fn total(&self) -> Usdc {
        self.0.total
    }

    /// The highest price per unit that is paid beyond the first bill's, if one was set.
    pub fn price_max(&self) -> Option<Usdc> {
        self.0.price_max
    }

    /// What was signed so far.
    pub fn spent(&self) -> Usdc {
        Usdc::from_atomic(self.0.spent.load(Ordering::Acquire)).unwrap_or(Usdc::MAX)
    }

    /// What may still be signed.
    pub fn left(&self) -> Usdc {
        self.total().checked_sub(self.spent()).unwrap_or(Usdc::ZERO)
    }

    /// Takes an amount out of the budget, or nothing.
    pub(crate) fn spend(&self, amount: Usdc) -> Result<(), Error> {
        let refused = || Error::Budget { asked: amount, per_payment: self.per_payment(), left: self.left() };
        if amount > self.per_payment() {
            return Err(refused());
        }
        let within = |spent: u64| {
            let sum = Usdc::from_atomic(spent)?.checked_add(amount)?;
            (sum <= self.total()).then_some(sum.atomic())
        };
        match self.0.spent.fetch_update(Ordering::AcqRel, Ordering::Acquire, within) {
            Ok(_) => Ok(()),
            Err(_) => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usdc(atomic: u64) -> Usdc {
        Usdc::from_atomic(atomic).unwrap()
    }

    #[test]
    fn both_caps_hold_to_the_last_unit() {
        let budget = Budget::new(usdc(10), usdc(25));
        assert!(budget.spend(usdc(11)).is_err());
        assert!(budget.spend(usdc(10)).is_ok() && budget.spend(usdc(10)).is_ok());
        assert!(matches!(budget.spend(usdc(6)), Err(Error::Budget { left, .. }) if left == usdc(5)));
        assert!(budget.clone().spend(usdc(5)).is_ok(), "clones share one account");
        assert_eq!((budget.spent(), budget.left()), (usdc(25), Usdc::ZERO));
        assert!(budget.spend(usdc(1)).is_err());
    }

    #[test]
    fn a_job_that_goes_on_keeps_its_account() {
        let budget = Budget::new(usdc(10), usdc(25)).with_spent(usdc(20)).with_price_max(usdc(3));
        assert_eq!((budget.left(), budget.price_max()), (usdc(5), Some(usdc(3))));
        assert!(budget.spend(usdc(6)).is_err() && budget.spend(usdc(5)).is_ok());
        assert_eq!(Budget::new(usdc(1), usdc(2)).with_spent(usdc(9)).left(), Usdc::ZERO);
    }

    #[test]
    fn the_largest_budget_does_not_wrap() {
        let budget = Budget::new(Usdc::MAX, Usdc::MAX);
        assert!(budget.spend(Usdc::MAX).is_ok());
        assert!(budget.spend(usdc(1)).is_err());
    }

    #[test]
    fn racing_payments_never_exceed_it() {
        let budget = Budget::new(usdc(1), usdc(100));
        let granted: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..50).filter(|_| budget.spend(usdc(1)).is_ok()).count()))
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum()
        });
        assert_eq!((granted, budget.left()), (100, Usdc::ZERO));
    }
}
