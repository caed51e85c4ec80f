//! A broker that sells an API's calls, and what buyers say to it.

use crate::rig::{ask, get};
use serde_json::Value;
use std::net::SocketAddr;
use tollwire_tests::agent::{Agent, Payment};
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get as get_http};
use tollwire_tests::settings::{PROVIDER, Settings};
use tollwire_tests::ws::{Socket, open};

/// The price of a call, in atomic units.
pub(super) const PRICE: u64 = 5_000;

/// A broker that settles in its own process, with an API at [`PRICE`].
pub(super) struct Shop {
    pub(super) api: Api,
    pub(super) broker: Broker,
}

impl Shop {
    pub(super) async fn open() -> Self {
        Self::limited("").await
    }

    /// With lines of `[limits]`.
    pub(super) async fn limited(limits: &str) -> Self {
        let api = Api::start().await;
        let broker = Broker::start(&Self::settings(&api, limits)).await;
        Self { api, broker }
    }

    fn settings(api: &Api, limits: &str) -> BrokerSettings {
        BrokerSettings {
            top: "store = \"file:broker.db\"\n[[chain]]\nkind = \"dev\"\n".into(),
            limits: limits.into(),
            apis: BrokerSettings::api("demo", &api.url(""), "price = \"0.005\""),
            ..BrokerSettings::default()
        }
    }

    pub(super) async fn socket(&self) -> Socket {
        open(&self.broker.socket_url(), &[]).await.unwrap()
    }

    /// A payment for calls of a path, made from the bill.
    pub(super) async fn payment(&self, agent: &Agent, path: &str) -> Payment {
        payment(&self.broker, agent, path).await
    }

    /// The call over HTTP, with a payment.
    pub(super) async fn collect(&self, path: &str, payment: &Payment) -> Answer {
        collect(&self.broker, path, payment).await
    }
}

/// A payment for calls of a path, made from the bill.
pub(crate) async fn payment(broker: &Broker, agent: &Agent, path: &str) -> Payment {
    let unpaid = get_http(&broker.url(&format!("/relay/demo{path}")), &[]).await;
    assert_eq!(unpaid.status, 402, "{unpaid:?}");
    let bill = unpaid.decoded("payment-required");
    let offer = bill["accepts"][0].clone();
    agent.pay_v2(&bill, &offer, &Agent::terms(&offer))
}

/// The call over HTTP, with a payment.
pub(crate) async fn collect(broker: &Broker, path: &str, payment: &Payment) -> Answer {
    let url = broker.url(&format!("/relay/demo{path}"));
    get_http(&url, &[(payment.header, &payment.value)]).await
}

/// The envelope of a paid GET.
pub(super) fn paid(id: impl Into<Value>, path: &str, payment: &Payment) -> Value {
    let mut envelope = get(id, path);
    envelope["payment"] = payment.message.clone();
    envelope
}

/// Sends a paid GET and waits for the next frame.
pub(super) async fn buy(socket: &mut Socket, id: &str, path: &str, payment: &Payment) -> Value {
    ask(socket, &paid(id, path, payment)).await
}

/// The payment as a stranger has it who reads the chain: without what never goes there.
pub(super) fn as_on_chain(payment: &Payment) -> Payment {
    let mut message = payment.message.clone();
    message.as_object_mut().unwrap().remove("extensions");
    payment.with_message(message)
}

/// A facilitator of its own, and brokers that settle there.
pub(crate) async fn facilitator() -> Facilitator {
    Facilitator::start(Settings::dev(vec![])).await
}

/// What a broker says that settles at this address.
pub(super) fn settled_at(facilitator: SocketAddr, store: &str, api: &Api) -> BrokerSettings {
    let pay_to = format!("pay_to = {{ \"eip155:84532\" = \"{PROVIDER}\" }}");
    BrokerSettings {
        top: format!("store = \"{store}\"\nfacilitator = \"http://{facilitator}\"\n"),
        limits: String::new(),
        apis: BrokerSettings::api("demo", &api.url(""), &format!("price = \"0.005\"\n{pay_to}")),
        ..BrokerSettings::default()
    }
}

/// Where a facilitator listens.
pub(crate) fn address(facilitator: &Facilitator) -> SocketAddr {
    ([127, 0, 0, 1], facilitator.port()).into()
}
