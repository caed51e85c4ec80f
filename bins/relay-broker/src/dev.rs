//! `relay-broker dev`: a broker with a sample API.

use crate::failure::Failure;
use crate::sample;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_ops::config::Log;
use tollwire_ops::console;
use tollwire_ops::listener::{Limits, Listener};
use tollwire_ops::shutdown::Signals;
use tollwire_relay::call::{Api, Apis};
use tollwire_relay::http::RelayService;
use tollwire_relay::runtime::Origins;
use tollwire_relay::{Relay, RelayConfig};
use url::Url;

/// Serves the sample API until Ctrl-C and prints what to try.
pub(crate) async fn run(listen: SocketAddr) -> Result<(), Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Start(format!("{listen} is not loopback: the sample is for this machine")));
    }
    tollwire_ops::logging::install(&Log { filter: Some("warn".into()), json: false })?;
    let mut signals = Signals::listen()?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let api = Listener::bind(SocketAddr::new(listen.ip(), 0), Limits::default()).await?;
    let api_url: Url = format!("http://{}", api.local_addr()?).parse().map_err(Failure::start)?;
    tasks.spawn(api.serve(sample::SampleApi, stop.clone(), Duration::ZERO));

    let listener = Listener::bind(listen, Limits::default()).await?;
    let address = listener.local_addr()?;
    let url: Url = format!("http://{address}").parse().map_err(Failure::start)?;
    let mut demo = Api::new("demo".parse().map_err(Failure::start)?, api_url);
    demo.allow_private = true;
    let config = RelayConfig {
        apis: Apis::new([demo]).map_err(Failure::start)?,
        origins: Origins::new(&url, &[]).map_err(Failure::start)?,
        ..RelayConfig::default()
    };
    let relay = Relay::new(config).map_err(Failure::start)?;
    tasks.spawn(listener.serve(RelayService::new(relay.clone()), stop.clone(), Duration::from_secs(1)));
    console::line(greeting(address));
    signals.next().await;
    stop.cancel();
    relay.drain(Duration::from_secs(1)).await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

fn greeting(address: SocketAddr) -> String {
    format!(
        "Relay-broker listening on {address} (a sample API \"demo\" behind it)

Open one WebSocket for many calls, in another terminal (pip install websockets):

  python -m websockets ws://{address}/api/ws/relay

and send, a line each:

  {{\"id\":1,\"method\":\"relay.call\",\"params\":{{\"apiId\":\"demo\",\"path\":\"/v1/slow?ms=2000\"}}}}
  {{\"id\":2,\"method\":\"relay.call\",\"params\":{{\"apiId\":\"demo\",\"path\":\"/v1/echo\",\"requestMethod\":\"POST\",\"requestBody\":{{\"b\":1.0}}}}}}

The second is answered first. The same call over HTTP:

  curl -s http://{address}/relay/demo/v1/echo -d '{{\"b\":1.0}}' -H 'content-type: application/json'

Ctrl-C ends it."
    )
}
