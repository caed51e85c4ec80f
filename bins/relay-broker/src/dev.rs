//! `relay-broker dev`: a broker with a sample API and a demo agent.

use crate::failure::Failure;
use crate::payments::Till;
use crate::{brain, demo_agent, dev_asp, sample};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollwire_client::bridge::Config;
use tollwire_ledger::SystemClock;
use tollwire_ops::config::Log;
use tollwire_ops::console;
use tollwire_ops::listener::{Limits, Listener};
use tollwire_ops::shutdown::Signals;
use tollwire_relay::bridge::{Agent, App, Bridge, BridgeConfig, KeptToken, Party, Registry, TokenKey};
use tollwire_relay::call::{Api, Apis, Price};
use tollwire_relay::http::RelayService;
use tollwire_relay::orchestrator::{Orchestrator, OrchestratorConfig};
use tollwire_relay::runtime::Origins;
use tollwire_relay::store::{Embedded, EmbeddedRows, Rows};
use tollwire_relay::{Relay, RelayConfig};
use url::Url;

/// Longer than anybody takes to type an answer.
const HEARTBEAT: Duration = Duration::from_secs(600);

/// What a call of the API that costs something costs, in USDC.
pub(crate) const PRICE: &str = "0.001";

/// The agent that chooses agents.
const BRAIN: &str = "brain";

/// The id of that API; the other is `demo`, and free.
pub(crate) const PAID: &str = "paid";

/// A broker on loopback, with a sample API behind it under two names, a bridge, and agent sessions.
pub(crate) struct DevBroker {
    pub(crate) address: SocketAddr,
    pub(crate) url: Url,
    pub(crate) tokens: Tokens,
    pub(crate) clients: dev_asp::DevClients,
    relay: Relay,
    till: Till,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts one; it settles on a dev chain in this process, and keeps nothing.
pub(crate) async fn start(listen: SocketAddr) -> Result<DevBroker, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Start(format!("{listen} is not loopback: the sample is for this machine")));
    }
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let api = Listener::bind(SocketAddr::new(listen.ip(), 0), Limits::default()).await?;
    let api_url: Url = format!("http://{}", api.local_addr()?).parse().map_err(Failure::start)?;
    tasks.spawn(api.serve(sample::SampleApi, stop.clone(), Duration::ZERO));

    let listener = Listener::bind(listen, Limits::default()).await?;
    let address = listener.local_addr()?;
    let url: Url = format!("http://{address}").parse().map_err(Failure::start)?;
    let till = Till::dev(url.clone())?;
    let mut demo = Api::new("demo".parse().map_err(Failure::start)?, api_url);
    demo.allow_private = true;
    let mut paid = Api { id: PAID.parse().map_err(Failure::start)?, ..demo.clone() };
    let amount = PRICE.parse().map_err(Failure::start)?;
    paid.price = Some(Price { amount, pay_to: till.own_wallets() });
    let rows = EmbeddedRows::open(Embedded::memory().map_err(Failure::start)?, Arc::new(SystemClock)).await;
    let rows: Arc<dyn Rows> = Arc::new(rows.map_err(Failure::start)?);
    let (bridge, key, mut tokens) = bridge().await?;
    let orchestrator = orchestrator(&bridge, key, &rows, (&till, &url)).await?;
    tokens.person =
        orchestrator.add_person("you".parse().map_err(Failure::start)?).await.map_err(Failure::start)?;
    let (asp, clients) = dev_asp::start(url.clone()).await?;
    let mut limits = tollwire_relay::Limits::default();
    // Who types an agent's answers by hand does not answer pings.
    limits.heartbeat = HEARTBEAT;
    let config = RelayConfig {
        limits,
        apis: Apis::new([demo, paid]).map_err(Failure::start)?,
        origins: Origins::new(&url, &[]).map_err(Failure::start)?,
        bridge: Some(bridge),
        asp: Some(asp),
        orchestrator: Some(orchestrator),
        rows: Some(rows),
        payments: Some(till.payments.clone()),
        ..RelayConfig::default()
    };
    let relay = Relay::new(config).map_err(Failure::start)?;
    tasks.spawn(listener.serve(RelayService::new(relay.clone()), stop.clone(), Duration::from_secs(1)));
    let reconciling = relay.clone();
    tasks.spawn(async move { reconciling.reconcile().await });
    Ok(DevBroker { address, url, tokens, clients, relay, till, stop, tasks })
}

impl DevBroker {
    /// Ends it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.relay.drain(Duration::from_secs(1)).await;
        self.till.drain().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Serves the sample API and the demo agent until Ctrl-C and prints what to try.
pub(crate) async fn run(listen: SocketAddr) -> Result<(), Failure> {
    tollwire_ops::logging::install(&Log { filter: Some("warn".into()), json: false })?;
    let mut signals = Signals::listen()?;
    let broker = start(listen).await?;
    let (address, tokens) = (broker.address, &broker.tokens);
    let agent = Config::new(format!("ws://{address}/v1/ws/agent"), tokens.demo.clone());
    let brain = Config::new(format!("ws://{address}/v1/ws/agent"), tokens.brain.clone());
    let (agent, brain) = (tokio::spawn(demo_agent::run(agent)), tokio::spawn(brain::run(brain)));
    console::line(greeting_of_people(address, &tokens.person));
    console::line(greeting(address, &tokens.app, &tokens.agent));
    console::line(sessions(address, &broker.clients));
    signals.next().await;
    agent.abort();
    brain.abort();
    broker.stop().await;
    Ok(())
}

/// What the person at the terminal, and the demo agent, prove themselves with.
pub(crate) struct Tokens {
    pub(crate) app: String,
    agent: String,
    pub(crate) demo: String,
    pub(crate) brain: String,
    /// A person's API key.
    pub(crate) person: String,
}

/// People, and the demo agent for them: free to count, and for a price to repeat.
async fn orchestrator(
    bridge: &Bridge,
    key: TokenKey,
    rows: &Arc<dyn Rows>,
    (till, url): (&Till, &Url),
) -> Result<Orchestrator, Failure> {
    let brain = BRAIN.parse().map_err(Failure::start)?;
    let mut config = OrchestratorConfig::new(key, brain, bridge.clone(), Arc::clone(rows), url.clone());
    config.payments = Some(till.payments.clone());
    let orchestrator = Orchestrator::start(config).await.map_err(Failure::start)?;
    let echo = json!({
        "slug": "echo", "name": "Echo", "description": "Says again what was said", "bridge_agent": "echo",
        "pay_to": till.own_wallets(),
        "actions": [
            { "name": "listen", "description": "Listen to something" },
            { "name": "repeat", "description": "Repeat something", "price": PRICE },
        ],
    });
    orchestrator.add_agent(echo).await.map_err(Failure::start)?;
    Ok(orchestrator)
}

/// A bridge in memory, with an app, an agent to be, the demo agent, and a brain.
async fn bridge() -> Result<(Bridge, TokenKey, Tokens), Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(Failure::start)?;
    let key = TokenKey::new(&hex::encode(secret)).map_err(Failure::start)?;
    let mut registry = Registry::default();
    let mut app = App::new("my-app".parse().map_err(Failure::start)?);
    let app_token = issue(&key, &Party::App(app.id.clone()), &mut app.tokens)?;
    registry.apps.insert(app.id.clone(), app);
    let mut agents = Vec::new();
    for (id, name) in [("my-agent", "Your agent"), ("echo", "Echo"), (BRAIN, "Concierge")] {
        let mut agent = Agent::new(id.parse().map_err(Failure::start)?);
        name.clone_into(&mut agent.name);
        agents.push(issue(&key, &Party::Agent(agent.id.clone()), &mut agent.tokens)?);
        registry.agents.insert(agent.id.clone(), agent);
    }
    let bridge = Bridge::start(BridgeConfig { registry, ..BridgeConfig::new(key.clone()) }).await;
    let [brain, demo, agent] = [(); 3].map(|()| agents.pop().unwrap_or_default());
    let tokens = Tokens { app: app_token, agent, demo, brain, person: String::new() };
    Ok((bridge.map_err(Failure::start)?, key, tokens))
}

fn issue(key: &TokenKey, party: &Party, kept: &mut Vec<KeptToken>) -> Result<String, Failure> {
    let (token, hash) = key.issue(party).map_err(Failure::start)?;
    kept.push(KeptToken { hash, until: None });
    Ok(token.reveal().to_owned())
}

fn greeting(address: SocketAddr, app: &str, agent: &str) -> String {
    format!(
        "Relay-broker listening on {address} (a sample API \"demo\" and a demo agent \"echo\" behind it)

Open one WebSocket for many calls, in another terminal (pip install websockets):

  python -m websockets ws://{address}/api/ws/relay

and send, a line each:

  {{\"id\":1,\"method\":\"relay.call\",\"params\":{{\"apiId\":\"demo\",\"path\":\"/v1/slow?ms=2000\"}}}}
  {{\"id\":2,\"method\":\"relay.call\",\"params\":{{\"apiId\":\"demo\",\"path\":\"/v1/echo\",\"requestMethod\":\"POST\",\"requestBody\":{{\"b\":1.0}}}}}}

The second is answered first. The same call over HTTP:

  curl -s http://{address}/relay/demo/v1/echo -d '{{\"b\":1.0}}' -H 'content-type: application/json'

The same API as \"{PAID}\" costs ${PRICE} a call (dev chain: play money, every wallet owns 1,000). See the bill:

  curl -i http://{address}/relay/{PAID}/v1/slow?ms=10

Any x402 client pays it as it is, and so does ours:

  cargo run --release -p tollwire-examples --example relay -- http://{address} {PAID} /v1/slow?ms=10

Ask the demo agent, as an app:

  python -m websockets \"ws://{address}/v1/ws/app?token={app}\"

  {{\"type\":\"event\",\"agent_id\":\"echo\",\"thread_id\":\"t1\",\"payload\":{{\"b\":1.0}}}}
  {{\"type\":\"event\",\"agent_id\":\"my-agent\",\"thread_id\":\"t1\",\"payload\":\"are you there?\"}}

The second waits, for you to come as an agent in a third terminal, and to answer what you see there by its event_id:

  python -m websockets \"ws://{address}/v1/ws/agent?token={agent}\"

  {{\"type\":\"reply\",\"event_id\":\"evt_...\",\"content\":\"I am.\",\"done\":true}}
"
    )
}

fn sessions(address: SocketAddr, clients: &dev_asp::DevClients) -> String {
    let (buyer, seller) = (&clients.buyer, &clients.seller);
    format!(
        "Two agents of two organisations negotiate, and what they said is verified afterwards:

  export BUYER_SECRET={}
  export SELLER_SECRET={}
  cargo run --release -p tollwire-examples --example negotiate -- http://{address} {} {}
  relay-broker asp verify http://{address}/v1/asp/sessions/ase_... --client {} --secret env:BUYER_SECRET

Ctrl-C ends it.",
        buyer.secret, seller.secret, buyer.id, seller.id, buyer.id
    )
}

fn greeting_of_people(address: SocketAddr, key: &str) -> String {
    format!(
        "People talk to an orchestrator, which has agents work for them. Begin a session,

  curl -X POST -H \"X-Api-Key: {key}\" http://{address}/api/sessions

open the ws_url of the answer with ?token= and its token, and send:

  {{\"type\":\"USER_MESSAGE\",\"data\":{{\"content\":\"listen to me\"}}}}
"
    )
}
