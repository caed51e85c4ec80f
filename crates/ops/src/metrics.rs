//! Prometheus metrics.

use crate::Error;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the histogram of settlements: from the dev chain's milliseconds to a chain that is congested. All nodes
/// have the same, so that their histograms add up.
#[expect(clippy::disallowed_types, reason = "the exporter takes bounds as floating-point numbers")]
const SETTLEMENT_SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];

/// The process's metrics, ready to be scraped.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the process's recorder.
    pub fn install() -> Result<Self, Error> {
        let settlements = Matcher::Full("tollwire_settlement_seconds".to_owned());
        PrometheusBuilder::new()
            .set_buckets_for_metric(settlements, &SETTLEMENT_SECONDS)
            .and_then(PrometheusBuilder::install_recorder)
            .map(Self)
            .map_err(|_| Error::AlreadyInstalled("the metrics recorder"))
    }

    /// The metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
