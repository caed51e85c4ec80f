//! `facilitator serve`.

use crate::config::{self, File};
use crate::failure::Failure;
use crate::wiring::{self, Node};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_gate::http::{AdminService, AdminToken, GateService};
use tollwire_ledger::{Clock as _, SystemClock};
use tollwire_ops::config::Loaded;
use tollwire_ops::console;
use tollwire_ops::listener::{self, Listener, ProxyTrust};
use tollwire_ops::metrics::Metrics;
use tollwire_ops::shutdown::{Request, Signals};
use tollwire_page::{Page, WithPage};

/// Serves until SIGTERM, then drains: no new upgrades, settlements in flight finish, live streams get 1001 at the
/// deadline.
pub(crate) async fn run(file: Loaded<File>) -> Result<(), Failure> {
    tollwire_ops::logging::install(&file.value.log)?;
    let metrics = Metrics::install()?;
    for warning in config::warnings(&file) {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::listen()?;
    let feeds = wiring::feeds(&file, tollwire_wiring::described(&file.value.chain, &file.base)?)?;
    let node = wiring::node(&file).await?;
    node.gate.feeds().configure(feeds, SystemClock.now()).map_err(Failure::start)?;
    node.gate.restore_feeds().map_err(|error| file.error("registered_feeds", error.to_string()))?;

    let stop = CancellationToken::new();
    let listeners = TaskTracker::new();
    let limits = &file.value.limits;
    let public = public_listener(&file).await?;
    let address = public.local_addr()?;
    listeners.spawn(public.serve(
        GateService::new(Arc::clone(&node.gate)),
        stop.clone(),
        limits.settlement_wait.0,
    ));
    let admin_stop = CancellationToken::new();
    if let Some(admin) = &file.value.admin {
        let token = AdminToken::new(admin.token.read(&file.base)?.expose());
        let service = AdminService::new(Arc::clone(&node.gate), token, Arc::new(move || metrics.render()));
        let listener = Listener::bind(admin.listen, listener::Limits::default()).await?;
        let service = WithPage::new(Page::facilitator(), service);
        listeners.spawn(listener.serve(service, admin_stop.clone(), Duration::from_secs(1)));
    }
    console::line(format!("Facilitator listening on {address}, reached as {}", file.value.public_url));

    loop {
        match signals.next().await {
            Request::Stop => break,
            Request::Reload => reload(&file.path, &node),
        }
    }
    tracing::info!("draining");
    node.gate.start_draining();
    stop.cancel();
    node.proxy.drain(limits.drain.0).await;
    node.settler.drain().await;
    admin_stop.cancel();
    listeners.close();
    listeners.wait().await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the public listener as the file says.
async fn public_listener(file: &Loaded<File>) -> Result<Listener, Failure> {
    let value = &file.value;
    let limits = listener::Limits {
        header_read: value.limits.header_read.0,
        answer_stall: value.limits.answer_stall.0,
        header_bytes_max: value.limits.header_bytes,
        connections_max: value.limits.connections,
        connections_per_address_max: value.limits.connections_per_address,
        ..listener::Limits::default()
    };
    let tls = value.tls.as_ref().map(|tls| listener::acceptor(tls, &file.base)).transpose()?;
    let listener = Listener::bind(value.listen, limits).await?;
    Ok(listener.with_tls(tls).trusting(ProxyTrust::new(value.trusted_proxies.clone())))
}

/// Takes over feeds and token keys of the changed file; a file that cannot be used changes nothing.
fn reload(path: &Path, node: &Node) {
    let apply = || -> Result<usize, Failure> {
        let file = config::read(path)?;
        let feeds = wiring::feeds(&file, tollwire_wiring::described(&file.value.chain, &file.base)?)?;
        let keys = wiring::keys(&file)?;
        let clientele = wiring::Clientele::of(&file)?;
        let count = feeds.len();
        node.gate.feeds().configure(feeds, SystemClock.now()).map_err(Failure::start)?;
        node.rotate(keys)?;
        node.gate.set_customers(clientele.served_by(&node.settler, node.gate.config().settle_wait));
        Ok(count)
    };
    match apply() {
        Ok(feeds) => tracing::info!(feeds, "configuration reloaded"),
        Err(error) => tracing::error!(%error, "configuration not reloaded; the old one stays in force"),
    }
}
