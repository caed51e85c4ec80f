//! From the file's words to the orchestrator.

use crate::config::File;
use crate::failure::Failure;
use crate::{bridge, wiring};
use std::sync::Arc;
use tollwire_ops::config::Loaded;
use tollwire_relay::Payments;
use tollwire_relay::bridge::Bridge;
use tollwire_relay::orchestrator::{Orchestrator, OrchestratorConfig};
use tollwire_relay::store::Rows;

/// The orchestrator that a file describes, if it describes one.
pub(crate) async fn start(
    file: &Loaded<File>,
    rows: &Arc<dyn Rows>,
    bridge: Option<&Bridge>,
    payments: Option<Payments>,
) -> Result<Option<Orchestrator>, Failure> {
    let (Some(written), Some(key), Some(bridge)) = (&file.value.orchestrator, bridge::key(file)?, bridge)
    else {
        return Ok(None);
    };
    let url = file.value.public_url.clone();
    let mut config =
        OrchestratorConfig::new(key, written.brain.clone(), bridge.clone(), Arc::clone(rows), url);
    config.org.clone_from(&written.org);
    config.limits = written.limits();
    config.payments = payments;
    config.requests = wiring::limits(file);
    config.roots_pem = wiring::roots(file)?;
    Orchestrator::start(config).await.map(Some).map_err(Failure::start)
}
