//! One customer of a facilitator, as this node knows it.

use super::gas::Gauge;
use super::rates::Rates;
use super::terms::Terms;
use std::sync::Arc;

/// Terms and what they are measured by.
pub(super) struct Customer {
    /// The account's name; none for whoever comes without a key.
    pub(super) name: Option<String>,
    pub(super) terms: Terms,
    pub(super) rates: Rates,
    pub(super) gauge: Arc<Gauge>,
}
