//! Both facilitators, each on a chain of its own, and the wallets that have money on both.

use crate::verdict::{Call, Verdict};
use bytes::Bytes;
use http::Method;
use tollwire_testkit::evm::Anvil;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::try_send;
use tollwire_tests::script::{Script, Server};
use tollwire_tests::settings::{ANVIL_KEY, Chain, PROVIDER, Settings};

/// A payee beside the provider.
pub(crate) const OTHER: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

/// What a payer has, in atomic USDC.
const FUNDS: u64 = 1_000_000_000;

/// Who pays.
pub(crate) struct Wallets {
    /// Has enough for everything.
    pub(crate) rich: Agent,
    /// Has nothing.
    pub(crate) poor: Agent,
}

pub(crate) struct Servers {
    pub(crate) wallets: Wallets,
    ours: Facilitator,
    reference: Server,
    _chains: [Anvil; 2],
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let wallets = Wallets { rich: Agent::new(), poor: Agent::new() };
        let [first, second] = [chain(&wallets).await, chain(&wallets).await];
        let settings = Settings {
            chain: Chain::Evm {
                network: "eip155:84532",
                rpc_url: first.url(),
                settlement_key: ANVIL_KEY.into(),
            },
            top: format!(
                "[facilitator]\npay_to = [\"{PROVIDER}\", \"{OTHER}\", \"{}\"]",
                wallets.rich.address()
            ),
            ..Settings::dev(vec![])
        };
        let reference = Script::node("oracle/reference.mjs").env("RPC_URL", second.url());
        let reference = reference.env("PRIVATE_KEY", ANVIL_KEY).serve().await;
        Self { wallets, ours: Facilitator::start(settings).await, reference, _chains: [first, second] }
    }

    /// The reference's verdict, and ours.
    pub(crate) async fn ask(&self, call: Call, body: &Bytes) -> (Verdict, Verdict) {
        let reference = format!("http://127.0.0.1:{}{}", self.reference.port, call.path());
        let ours = self.ours.url(call.path());
        tokio::join!(send(call, &reference, body), send(call, &ours, body))
    }
}

async fn chain(wallets: &Wallets) -> Anvil {
    let anvil = Anvil::start(84532).await.unwrap();
    anvil.mint(&wallets.rich.address(), FUNDS).await.unwrap();
    anvil
}

async fn send(call: Call, url: &str, body: &Bytes) -> Verdict {
    let json = [("content-type", "application/json")];
    let answer = try_send(Method::POST, url, &json, body.clone()).await.unwrap();
    Verdict::of(call, &answer)
}
