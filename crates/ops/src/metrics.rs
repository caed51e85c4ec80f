//! Prometheus metrics.

use crate::Error;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The process's metrics, ready to be scraped.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the process's recorder.
    pub fn install() -> Result<Self, Error> {
        PrometheusBuilder::new()
            .install_recorder()
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
