//! `relay-broker serve`.

use crate::config::{self, File};
use crate::failure::Failure;
use crate::{asp, bridge, orchestrator, payments, store, wiring};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_ledger::SystemClock;
use tollwire_ops::config::Loaded;
use tollwire_ops::console;
use tollwire_ops::listener::{self, Listener};
use tollwire_ops::metrics::Metrics;
use tollwire_ops::shutdown::{Request, Signals};
use tollwire_page::{Page, WithPage};
use tollwire_relay::Relay;
use tollwire_relay::http::{AdminService, RelayService};

/// Serves until SIGTERM, then drains: no new connections and calls, calls in flight finish, WebSockets get 1001.
pub(crate) async fn run(file: Loaded<File>) -> Result<(), Failure> {
    tollwire_ops::logging::install(&file.value.log)?;
    let metrics = Metrics::install()?;
    for warning in config::warnings(&file) {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::listen()?;
    let store = store::open(&file).await?;
    let rows = store.rows(Arc::new(SystemClock)).await?;
    let bridge = bridge::start(&file, &store).await?;
    let asp = asp::start(&file, &store).await?;
    let till = payments::open(&file).await?;
    let payments = till.as_ref().map(|till| till.payments.clone());
    let for_jobs = till.as_ref().map(payments::Till::for_jobs);
    let orchestrator = orchestrator::start(&file, &rows, bridge.as_ref(), for_jobs).await?;
    let relay = wiring::relay(&file, Some(rows), (bridge, asp, orchestrator), payments)?;
    relay.load().await.map_err(Failure::start)?;
    let (stop, admin_stop) = (CancellationToken::new(), CancellationToken::new());
    let listeners = TaskTracker::new();
    let drain = file.value.limits.drain.0;
    let reconciling = relay.clone();
    listeners.spawn(async move { reconciling.reconcile().await });
    let public = wiring::public_listener(&file).await?;
    let address = public.local_addr()?;
    listeners.spawn(public.serve(RelayService::new(relay.clone()), stop.clone(), drain));
    if let Some(admin) = &file.value.admin {
        let token = wiring::admin_token(&file)?;
        // Without a token there is nothing that a page could show.
        let page = if token.is_some() { Page::broker() } else { Page::none() };
        let service = AdminService::new(relay.clone(), token, Arc::new(move || metrics.render()));
        let listener = Listener::bind(admin.listen, listener::Limits::default()).await?;
        let service = WithPage::new(page, service);
        listeners.spawn(listener.serve(service, admin_stop.clone(), Duration::from_secs(1)));
    }
    console::line(format!("Relay-broker listening on {address}, reached as {}", file.value.public_url));

    loop {
        match signals.next().await {
            Request::Stop => break,
            Request::Reload => reload(&file.path, &relay),
        }
    }
    tracing::info!("draining");
    stop.cancel();
    relay.drain(drain).await;
    if let Some(till) = &till {
        till.drain().await;
    }
    admin_stop.cancel();
    listeners.close();
    listeners.wait().await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes over APIs, apps, agents and clients of the changed file; a file that cannot be used changes nothing.
fn reload(path: &Path, relay: &Relay) {
    let read = config::read(path)
        .and_then(|file| Ok((wiring::apis(&file)?, bridge::registry(&file)?, asp::clients(&file)?)));
    match read {
        Ok((apis, registry, clients)) => {
            tracing::info!(apis = apis.len(), "configuration reloaded");
            relay.configure(apis);
            if let Some(bridge) = relay.bridge() {
                bridge.configure(registry);
            }
            if let Some(asp) = relay.agent_sessions() {
                asp.configure(clients);
            }
        }
        Err(error) => tracing::error!(%error, "configuration not reloaded; the old one stays in force"),
    }
}
