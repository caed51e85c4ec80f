//! APIs that price themselves: their 402 comes through as it is, and the payment that answers it reaches them. The last
//! tests pay a real server of the x402 project's, settled by a real facilitator.

use crate::rig::{Rig, ask, code, get, send, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tollwire_testkit::feed::Message;
use tollwire_tests::agent::{Agent, fresh_nonce};
use tollwire_tests::api::REQUIRED_V2;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::facilitator::{Facilitator, run};
use tollwire_tests::script::{Script, Server};
use tollwire_tests::settings::{PROVIDER, Settings};
use tollwire_tests::ws::open;

#[tokio::test]
async fn a_402_is_an_error_with_what_to_pay_and_the_payment_reaches_the_api() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    send(&mut socket, &get("c1", "/shop")).await;
    let unpaid = text(&mut socket).await;
    let expected = format!(
        r#"{{"id":"c1","error":{{"code":402,"message":"Payment required","paymentRequired":{REQUIRED_V2},"data":"#
    );
    assert!(unpaid.starts_with(&expected), "{unpaid}");
    assert_eq!(serde_json::from_str::<Value>(&unpaid).unwrap()["error"]["data"]["body"]["error"], "pay");

    for (payment, header) in [
        (r#"{ "x402Version":2,"payload":{"value":1.0e2} }"#, "payment-signature"),
        (r#"{"x402Version":1,"payload":{}}"#, "x-payment"),
    ] {
        let envelope = format!(
            r#"{{"id":"c2","method":"relay.call","params":{{"apiId":"demo","path":"/shop"}},"payment":{payment}}}"#
        );
        socket.send(Message::text(envelope)).await;
        let paid = text(&mut socket).await;
        let expected = r#"{"id":"c2","result":{"sold":1.0},"paymentResponse":{"success":true,"transaction":"0x1"},"metadata""#;
        assert!(paid.starts_with(expected), "{paid}");
        let seen = rig.api.seen().pop().unwrap().headers;
        assert_eq!(STANDARD.decode(&seen[header]).unwrap(), payment.as_bytes(), "its bytes");
        assert!(seen.keys().filter(|name| name.as_str().contains("payment")).count() == 1);
    }
    assert!(!rig.broker.output().contains("1.0e2"), "a payment in the log");
}

#[tokio::test]
async fn money_has_one_place_in_an_envelope() {
    let rig = Rig::start().await;
    let mut socket = rig.open().await;
    for name in ["PAYMENT-SIGNATURE", "x-payment"] {
        let mut envelope = get(1, "/shop");
        envelope["params"]["requestHeaders"] = json!({ name: "eyJ4IjoxfQ==" });
        assert_eq!(code(&ask(&mut socket, &envelope).await, 1), 400);
        envelope["payment"] = json!({ "x402Version": 2 });
        assert_eq!(code(&ask(&mut socket, &envelope).await, 1), 400);
    }
    for bad in [json!("eyJ4IjoxfQ=="), json!({ "x402Version": 3 }), json!([2])] {
        let mut envelope = get(1, "/shop");
        envelope["payment"] = bad;
        assert_eq!(code(&ask(&mut socket, &envelope).await, 1), 400);
    }
    assert_eq!(rig.api.seen().len(), 0);
}

/// What became of a payment that was sent, nobody here can know; so there is no fresh 402 and nothing is taken back.
#[tokio::test]
async fn a_paid_call_that_is_not_answered_is_in_doubt() {
    let rig = Rig::limited("upstream_answer = \"2s\"").await;
    let mut socket = rig.open().await;
    let paid = |path: &str| {
        let mut envelope = get(1, path);
        envelope["payment"] = json!({ "x402Version": 2 });
        envelope
    };
    send(&mut socket, &paid("/held")).await;
    rig.api.asked(1).await;
    let cancel = json!({ "id": "k", "method": "relay.cancel", "params": { "id": 1 } });
    assert_eq!(code(&ask(&mut socket, &cancel).await, "k"), 409);
    let unknown = json!({ "id": 1, "error": {
        "code": 504, "message": "settlement_unknown", "data": { "retry": "same-payment" },
    } });
    assert_eq!(crate::rig::frame(&mut socket).await, unknown);
    assert_eq!(ask(&mut socket, &paid("/hangup")).await, unknown);

    send(&mut socket, &paid("/slow?700")).await;
    rig.api.asked(3).await;
    socket.close().await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let given_up = tokio::time::timeout(std::time::Duration::from_millis(10), rig.api.given_up(2)).await;
    assert!(given_up.is_err(), "the paid call was taken back with its socket");
}

/// A shop of @x402/express, settled by our facilitator on the dev chain, behind a broker.
struct Shop {
    _facilitator: Facilitator,
    _server: Server,
    broker: Broker,
}

impl Shop {
    async fn open() -> Self {
        let hashes = tempfile::tempdir().unwrap();
        let (status, told, problem) = run(&["accounts", "new", "weather"], hashes.path()).await;
        assert!(status.success(), "{problem}");
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        let file = hashes.path().join("weather.hash");
        std::fs::write(&file, value("key_hash:")).unwrap();
        let top = format!(
            "[[facilitator.account]]\nid = \"weather\"\nkey_hash = \"file:{}\"\npay_to = [\"{PROVIDER}\"]\n",
            file.display()
        );
        let facilitator = Facilitator::start(Settings { top, ..Settings::dev(vec![]) }).await;
        let server = Script::node("servers/express.mjs")
            .env("FACILITATOR_URL", facilitator.url(""))
            .env("API_KEY", value("key:"))
            .env("NETWORK", "eip155:84532")
            .env("PAY_TO", PROVIDER)
            .env("PRICE", "$0.005")
            .serve()
            .await;
        let url = format!("http://127.0.0.1:{}", server.port);
        let broker = Broker::start(&BrokerSettings::demo(&url)).await;
        Self { _facilitator: facilitator, _server: server, broker }
    }
}

#[tokio::test]
async fn an_express_shop_sells_over_the_socket() {
    let shop = Shop::open().await;
    let mut socket = open(&shop.broker.socket_url(), &[]).await.unwrap();
    let unpaid = ask(&mut socket, &get("c1", "/weather")).await;
    assert_eq!(code(&unpaid, "c1"), 402);
    let bill = &unpaid["error"]["paymentRequired"];
    let offer = &bill["accepts"][0];
    let payment = Agent::new().pay_v2(bill, offer, &Agent::terms(offer));
    let mut envelope = get("c1", "/weather");
    envelope["payment"] = payment.message;
    // As the original's client does it: the paid retry goes over another socket.
    let mut another = open(&shop.broker.socket_url(), &[]).await.unwrap();
    let paid = ask(&mut another, &envelope).await;
    assert_eq!((&paid["id"], &paid["result"]), (&json!("c1"), &json!({ "weather": "fair" })), "{paid}");
    assert_eq!(paid["paymentResponse"]["success"], true, "{paid}");
    let again = ask(&mut another, &envelope).await;
    assert_ne!(again["result"], json!({ "weather": "fair" }), "the shop sold twice for one payment");
}

#[tokio::test]
async fn an_express_shop_sells_to_fetch_through_the_twin() {
    let shop = Shop::open().await;
    let told = Script::node("servers/buyer.mjs")
        .env("URL", shop.broker.url("/relay/demo/weather"))
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .env("TIMES", "2")
        .result()
        .await;
    for bought in told.as_array().unwrap() {
        assert_eq!(
            (&bought["status"], &bought["body"]),
            (&json!(200), &json!({ "weather": "fair" })),
            "{told}"
        );
        assert_eq!(bought["settled"]["success"], true);
    }
}

#[tokio::test]
async fn an_express_shop_sells_to_python_over_one_socket() {
    let shop = Shop::open().await;
    let told = Script::python("relay/buyer.py")
        .env("SOCKET_URL", shop.broker.socket_url())
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .result()
        .await;
    assert_eq!(told["unpaid"], json!([402, 402, 402]));
    for paid in told["paid"].as_array().unwrap() {
        assert_eq!(
            (&paid["result"], &paid["paymentResponse"]["success"]),
            (&json!({ "weather": "fair" }), &json!(true))
        );
    }
    assert_eq!(told["paid"].as_array().unwrap().len(), 3);
}
