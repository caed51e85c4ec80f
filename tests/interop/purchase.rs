//! One purchase by one client, checked from outside.

use crate::client::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::front::Front;
use tollwire_tests::settings::{Chain, Feed, Settings};

/// What a payer has at first, in atomic USDC.
pub(crate) const FUNDS: u64 = 20_000_000;

/// A chain's names: of its CAIP-2 network, in v1, and in our tokens.
pub(crate) struct Names {
    pub(crate) v2: &'static str,
    pub(crate) v1: &'static str,
    pub(crate) claim: &'static str,
}

/// A wallet that pays, as its client wants it.
pub(crate) struct Payer {
    pub(crate) key: String,
    pub(crate) address: String,
    /// A node of its chain, where the client needs one.
    pub(crate) rpc: Option<String>,
}

/// A feed sold on one chain.
pub(crate) struct Shop {
    names: Names,
    upstream: SampleFeed,
    facilitator: Facilitator,
    /// In front of the facilitator; its answers carry no v2 header.
    old: Front,
}

impl Shop {
    pub(crate) async fn open(names: Names, chain: Chain) -> Self {
        let upstream = SampleFeed::start(Mode::Ticks(Duration::from_millis(5))).await.unwrap();
        let feed = Feed { deposit_units: "[1000, 100, 10, 1]", ..Feed::ticks(upstream.url("/stream")) };
        let facilitator = Facilitator::start(Settings { chain, ..Settings::dev(vec![feed]) }).await;
        let old = Front::start(&facilitator.url(""), "payment-required").await;
        Self { names, upstream, facilitator, old }
    }

    /// The client buys and reads the stream; gives the transaction that its receipt names. A client that speaks both
    /// versions is offered version 1 alone where that is the one it is to speak.
    pub(crate) async fn sells_to(&self, client: Client, version: u8, payer: &Payer) -> String {
        let streams = self.upstream.requests().len();
        let alone = client.versions.len() > 1 && version == 1;
        let path = "/feeds/ticks/session";
        let url = if alone { self.old.url(path) } else { self.facilitator.url(path) };
        let mut script = client.script(version).env("SESSION_URL", url).env("PRIVATE_KEY", &payer.key);
        if let Some(rpc) = &payer.rpc {
            script = script.env("RPC_URL", rpc);
        }
        let told = script.result().await;
        let units = client.atomic(version) / 10_000;
        let what = format!("{client:?} in version {version}: {told}");
        assert_eq!((&told["status"], &told["payer"]), (&json!(200), &json!(payer.address)), "{what}");
        let session = &told["bought"]["session"];
        assert_eq!(session["units_remaining"], units, "{what}");
        assert_eq!(session["deposited"], format!("${}.{:02}", units / 100, units % 100), "{what}");
        assert_eq!((&session["feed"], &session["unit"]), (&json!("ticks"), &json!("stream")), "{what}");
        assert_eq!(session["chain"], self.names.claim, "{what}");
        assert_eq!(told["frames"], json!([{ "tick": 1 }, { "tick": 2 }, { "tick": 3 }]), "{what}");
        assert_eq!(self.upstream.requests().len(), streams + 1, "one stream reached the upstream; {what}");
        self.check_receipt(&told["receipt"], client, version, payer)
    }

    fn check_receipt(&self, receipt: &Value, client: Client, version: u8, payer: &Payer) -> String {
        assert_eq!(receipt["success"], true, "{receipt}");
        let network = if version == 2 { self.names.v2 } else { self.names.v1 };
        assert_eq!(receipt["network"], network, "{receipt}");
        assert_eq!(receipt["payer"].as_str().unwrap().to_lowercase(), payer.address.to_lowercase());
        if version == 2 {
            assert_eq!(receipt["amount"], client.atomic(version).to_string(), "{receipt}");
        }
        receipt["transaction"].as_str().unwrap().to_owned()
    }

    /// The operator's books balance, and say that so many sessions were sold, for so much in all.
    pub(crate) async fn has_sold(&self, sessions: u64, deposited: u64) {
        let admin = tollwire_tests::world::admin(&self.facilitator, http::Method::GET, "/admin/ledger", "");
        let books = admin.await.json();
        assert_eq!((&books["balanced"], &books["payments_in_doubt"]), (&json!(true), &json!(0)), "{books}");
        let totals = &books["totals"];
        assert_eq!(
            (&totals["sessions"], &totals["captured"]),
            (&json!(sessions), &json!(sessions)),
            "{books}"
        );
        assert_eq!(totals["usdc"]["deposited"], deposited.to_string(), "{books}");
    }
}
