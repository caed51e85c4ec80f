//! The proxy's settings.

use crate::config::File;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_proxy::ProxyConfig;

/// What a file says about all streams; reads `upstream_roots`.
pub(crate) fn proxy_config(file: &Loaded<File>) -> Result<ProxyConfig, Error> {
    let limits = &file.value.limits;
    let mut config = ProxyConfig::default();
    config.streams_max = limits.streams;
    config.upstream_dial = limits.upstream_dial.0;
    config.meter.lease = limits.lease.0;
    config.meter.lease_units_max = limits.lease_units;
    config.meter.renew_every = limits.renew_every.0;
    config.meter.renewals_per_sec_max = limits.renewals;
    config.meter.renewals_at_once_max = limits.renewals_at_once;
    config.meter.lease_margin = limits.lease_margin.0;
    config.meter.held_wait = limits.held_wait.0;
    config.meter.watch_interval = limits.watch.0;
    config.failed_dials_max = limits.failed_opens;
    config.renewal_grace = limits.renewal_grace.0;
    if let Some(path) = &file.value.upstream_roots {
        let path = file.base.join(path);
        let pem = std::fs::read_to_string(&path)
            .map_err(|error| Error::File { path: path.clone(), reason: error.to_string() })?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(file.error("upstream_roots", "the file holds no PEM certificate"));
        }
        config.extra_roots_pem.push(pem);
    }
    Ok(config)
}
