//! A stranger who reads the chain gets nothing, and who meddles with it takes nothing: what a payment bought is its
//! payer's alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use std::time::Duration;
use tollwire_exact::evm::PrivateKey;
use tollwire_testkit::evm::{Anvil, Authorization};
use tollwire_tests::agent::{Agent, Payment, bill, offer};
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::{Answer, get};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, PROVIDER, Settings};
use tollwire_x402::header;

/// What a payer has at first, in atomic USDC.
const FUNDS: u64 = 5_000_000;

/// What the payer buys, in atomic USDC.
const PRICE: u64 = 100_000;

/// Another of anvil's accounts with ETH: whoever reads the chain.
const STRANGER: &str = PROVIDER;

fn feeds() -> Vec<Feed> {
    // Nothing listens at the upstream: no stream is opened here.
    let other = Feed { id: "other", ..Feed::ticks("ws://127.0.0.1:9/") };
    vec![Feed::ticks("ws://127.0.0.1:9/"), other]
}

struct World {
    anvil: Anvil,
    facilitator: Facilitator,
    agent: Agent,
    url: String,
}

impl World {
    async fn start() -> Self {
        let anvil = Anvil::start(8453).await.unwrap();
        let agent = Agent::new();
        anvil.mint(&agent.address(), FUNDS).await.unwrap();
        let chain =
            Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
        let facilitator = Facilitator::start(Settings { chain, ..Settings::dev(feeds()) }).await;
        let url = facilitator.url("/feeds/ticks/session");
        Self { anvil, facilitator, agent, url }
    }

    /// The transaction's calldata, as anybody can read it, mined or waiting.
    async fn calldata(&self, tx: &str) -> Vec<u8> {
        let found = self.anvil.rpc("eth_getTransactionByHash", json!([tx])).await.unwrap();
        hex::decode(found["input"].as_str().unwrap().trim_start_matches("0x")).unwrap()
    }

    async fn books(&self) -> Value {
        let admin = format!("Bearer {ADMIN_TOKEN}");
        get(&self.facilitator.admin_url("/admin/ledger"), &[("authorization", &admin)]).await.json()
    }

    /// The payer was charged once, and one session stands in the books.
    async fn charged_once(&self) {
        let moved = self.anvil.transfers_to(ANVIL_ADDRESS).await.unwrap();
        assert_eq!(moved.iter().map(|transfer| transfer.value).collect::<Vec<_>>(), [PRICE]);
        assert_eq!(self.anvil.balance_of(&self.agent.address()).await.unwrap(), FUNDS - PRICE);
        let books = self.books().await;
        assert_eq!((&books["totals"]["sessions"], &books["balanced"]), (&json!(1), &json!(true)), "{books}");
        assert_eq!(books["payments_in_doubt"], 0, "{books}");
    }
}

async fn present(url: &str, payment: &Payment) -> Answer {
    get(url, &[(payment.header, &payment.value)]).await
}

/// The scheme's payload, rebuilt from `transferWithAuthorization` in either of its forms.
fn payload_from_calldata(calldata: &[u8]) -> Value {
    let (selector, arguments) = calldata.split_at(4);
    let words: Vec<&[u8]> = arguments.chunks(32).collect();
    let address = |at: usize| format!("0x{}", hex::encode(&words[at][12..]));
    let number = |at: usize| u64::from_be_bytes(words[at][24..].try_into().unwrap());
    let signature = match hex::encode(selector).as_str() {
        // (..., uint8 v, bytes32 r, bytes32 s)
        "e3ee160e" => [words[7], words[8], &words[6][31..]].concat(),
        // (..., bytes signature)
        "cf092995" => {
            let start = usize::try_from(number(6)).unwrap();
            let length = usize::try_from(number(start / 32)).unwrap();
            arguments[start + 32..start + 32 + length].to_vec()
        }
        other => panic!("not transferWithAuthorization: {other}"),
    };
    json!({
        "signature": format!("0x{}", hex::encode(signature)),
        "authorization": {
            "from": address(0), "to": address(1), "value": number(2).to_string(),
            "validAfter": number(3).to_string(), "validBefore": number(4).to_string(),
            "nonce": format!("0x{}", hex::encode(words[5])),
        },
    })
}

/// As the token contract takes it from anybody.
fn authorization(payload: &Value) -> Authorization {
    let signed = &payload["authorization"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bytes = |value: &Value| hex::decode(text(value).trim_start_matches("0x")).unwrap();
    Authorization {
        from: text(&signed["from"]),
        to: text(&signed["to"]),
        value: text(&signed["value"]).parse().unwrap(),
        valid_after: text(&signed["validAfter"]).parse().unwrap(),
        valid_before: text(&signed["validBefore"]).parse().unwrap(),
        nonce: bytes(&signed["nonce"]).try_into().unwrap(),
        signature: bytes(&payload["signature"]),
    }
}

fn v2(payload: &Value, accepted: &Value, extensions: Option<&Value>) -> Payment {
    let mut message = json!({ "x402Version": 2, "accepted": accepted, "payload": payload });
    if let Some(extensions) = extensions {
        message["extensions"] = extensions.clone();
    }
    let value = header::encode(&message).unwrap();
    Payment { header: header::PAYMENT_SIGNATURE, value, message }
}

fn v1(payload: &Value, network: &str) -> Payment {
    let message = json!({ "x402Version": 1, "scheme": "exact", "network": network, "payload": payload });
    let value = header::encode(&message).unwrap();
    Payment { header: header::X_PAYMENT, value, message }
}

/// Nothing of the session is in an answer: no token, no id, no balance, and no receipt.
fn assert_silent(answer: &Answer, jti: &str) {
    let text = format!("{:?}{}", answer.headers, answer.text());
    for leak in [jti, "\"token\"", "jti", "units_remaining", "ws_url", "deposited", "payment-response"] {
        assert!(!text.contains(leak), "{leak}: {text}");
    }
}

fn assert_challenge(answer: &Answer, jti: &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let body = answer.json();
    assert!(body["extensions"]["sign-in-with-x"]["info"]["nonce"].is_string(), "{body}");
    assert_silent(answer, jti);
}

#[tokio::test]
async fn what_the_chain_shows_collects_nothing() {
    let world = World::start().await;
    let bill_of_payer = bill(&world.url).await;
    let accepted = offer(&bill_of_payer, PRICE);
    let terms = Agent::terms(&accepted);
    let bought = present(&world.url, &world.agent.pay_v2(&bill_of_payer, &accepted, &terms)).await;
    assert_eq!(bought.status, 200, "{bought:?}");
    let jti = bought.json()["session"]["jti"].as_str().unwrap().to_owned();
    let tx = bought.decoded(header::PAYMENT_RESPONSE)["transaction"].as_str().unwrap().to_owned();

    // All that the stranger has: the transaction, and what we tell everybody.
    let payload = payload_from_calldata(&world.calldata(&tx).await);
    let bill_of_stranger = bill(&world.url).await;
    let own_quote = &bill_of_stranger["extensions"];
    for payment in [
        v2(&payload, &accepted, None),
        v2(&payload, &accepted, Some(own_quote)),
        v2(&payload, &accepted, Some(&json!({}))),
        v1(&payload, "base"),
    ] {
        assert_challenge(&present(&world.url, &payment).await, &jti);
        let claim = ("tollwire-claim", "a-claim-of-the-strangers-own-0123456789");
        let claimed = get(&world.url, &[(payment.header, &payment.value), claim]).await;
        assert_challenge(&claimed, &jti);
        let upgrade = world.facilitator.ws_url("/feeds/ticks/ws");
        let refused = tollwire_tests::ws::open(&upgrade, &[(payment.header, &payment.value)]).await;
        let refused = refused.err().unwrap();
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(!refused.body.contains(&jti) && !refused.headers.contains_key(header::PAYMENT_RESPONSE));
    }

    // What the stranger rebuilt is the payment itself: with the quote, which never was on the chain, it collects.
    let again = present(&world.url, &v2(&payload, &accepted, Some(&bill_of_payer["extensions"]))).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["session"]["jti"], jti.as_str());
    world.charged_once().await;
}

#[tokio::test]
async fn for_another_feed_or_size_it_is_refused_with_the_quote_or_without() {
    let world = World::start().await;
    let bill_of_payer = bill(&world.url).await;
    let accepted = offer(&bill_of_payer, PRICE);
    let payment = world.agent.pay_v2(&bill_of_payer, &accepted, &Agent::terms(&accepted));
    let bought = present(&world.url, &payment).await;
    assert_eq!(bought.status, 200, "{bought:?}");
    let jti = bought.json()["session"]["jti"].as_str().unwrap().to_owned();
    let payload = &payment.message["payload"];

    let other = world.facilitator.url("/feeds/other/session");
    let bill_of_other = bill(&other).await;
    let larger = offer(&bill_of_payer, 1_000_000);
    let cases = [
        (&other, v2(payload, &accepted, None)),
        (&other, v2(payload, &accepted, Some(&bill_of_payer["extensions"]))),
        (&other, v2(payload, &offer(&bill_of_other, PRICE), Some(&bill_of_other["extensions"]))),
        (&other, v1(payload, "base")),
        (&world.url, v2(payload, &accepted, Some(&bill_of_other["extensions"]))),
        (&world.url, v2(payload, &larger, None)),
        (&world.url, v2(payload, &larger, Some(&bill_of_payer["extensions"]))),
    ];
    for (url, payment) in cases {
        let refused = present(url, &payment).await;
        assert!(matches!(refused.status.as_u16(), 402 | 409), "{refused:?}");
        let text = refused.text();
        assert!(!text.contains(&jti) && !text.contains("\"token\"") && !text.contains("ws_url"), "{text}");
    }
    world.charged_once().await;
}

/// The transaction waits; a stranger sees it there, presents it to us, and sends it first at a higher price.
#[tokio::test]
async fn a_stranger_who_is_faster_on_the_chain_pays_the_gas_of_the_payers_session() {
    let world = World::start().await;
    world.anvil.set_automine(false).await.unwrap();
    let payment = world.agent.payment(&world.url, PRICE).await;
    let paying = {
        let (url, payment) = (world.url.clone(), payment.clone());
        tokio::spawn(async move { present(&url, &payment).await })
    };
    let seen = waiting(&world.anvil).await;
    let payload = payload_from_calldata(&world.calldata(&seen).await);
    for stolen in [v2(&payload, &payment.message["accepted"], None), v1(&payload, "base")] {
        assert_challenge(&present(&world.url, &stolen).await, "not known yet");
    }
    let faster = submit_at_a_high_price(&world.anvil, &payload).await;
    world.anvil.mine(1).await.unwrap();
    world.anvil.set_automine(true).await.unwrap();

    let paid = paying.await.unwrap();
    assert_eq!(paid.status, 200, "{paid:?}");
    assert_eq!(paid.decoded(header::PAYMENT_RESPONSE)["transaction"], faster, "the stranger's transaction");
    let again = present(&world.url, &payment).await;
    assert_eq!(again.json()["session"]["jti"], paid.json()["session"]["jti"]);
    assert_eq!(again.json()["session"]["units_remaining"], 10);
    world.charged_once().await;
}

/// An authorization that leaked and landed before anybody presented it: whoever brings it, with nothing but what the
/// chain shows, gets no session.
#[tokio::test]
async fn a_transfer_nobody_presented_opens_nothing_for_whoever_read_it() {
    let world = World::start().await;
    let payment = world.agent.payment(&world.url, PRICE).await;
    let leaked = authorization(&payment.message["payload"]);
    let tx = world.anvil.submit_authorization(STRANGER, &leaked).await.unwrap();
    world.anvil.succeeded(&tx).await.unwrap();
    let payload = payload_from_calldata(&world.calldata(&tx).await);
    let own_bill = bill(&world.url).await;
    let accepted = offer(&own_bill, PRICE);
    for payment in [v2(&payload, &accepted, Some(&own_bill["extensions"])), v1(&payload, "base")] {
        let claim = ("tollwire-claim", "a-claim-of-the-strangers-own-0123456789");
        let refused = get(&world.url, &[(payment.header, &payment.value), claim]).await;
        assert!(matches!(refused.status.as_u16(), 401 | 402), "{refused:?}");
        let text = refused.text();
        assert!(!text.contains("\"token\"") && !text.contains("jti") && !text.contains("ws_url"), "{text}");
    }
    let books = world.books().await;
    assert_eq!(
        (&books["totals"]["sessions"], &books["payments_in_doubt"]),
        (&json!(0), &json!(0)),
        "{books}"
    );
}

/// The transaction that waits to be mined.
async fn waiting(anvil: &Anvil) -> String {
    for _ in 0..400 {
        let block = anvil.rpc("eth_getBlockByNumber", json!(["pending", false])).await.unwrap();
        if let Some(tx) = block["transactions"][0].as_str() {
            return tx.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing was sent");
}

async fn submit_at_a_high_price(anvil: &Anvil, payload: &Value) -> String {
    let transaction = json!([{
        "from": STRANGER, "to": anvil.usdc(), "gas": "0x7a120", "maxFeePerGas": "0x174876e800",
        "maxPriorityFeePerGas": "0x174876e800",
        "data": format!("0x{}", hex::encode(authorization(payload).calldata().unwrap())),
    }]);
    anvil.rpc("eth_sendTransaction", transaction).await.unwrap().as_str().unwrap().to_owned()
}

/// `SIGN-IN-WITH-X` for the challenge of an answer.
fn sign_in(challenge: &Answer, signer: &PrivateKey, address: &str) -> String {
    tollwire_tests::sign_in::sign_in(&challenge.json(), signer, address)
}

#[tokio::test]
async fn the_payers_wallet_signs_in_and_nobody_elses() {
    let facilitator = Facilitator::start(Settings::dev(feeds())).await;
    let url = facilitator.url("/feeds/ticks/session");
    let (payer, stranger) = (Agent::new(), Agent::new());
    // A version 1 payment without a claim: only the wallet can prove it.
    let payment = payer.pay_v1("base-sepolia", &Agent::terms(&offer(&bill(&url).await, PRICE)));
    let bought = present(&url, &payment).await;
    assert_eq!(bought.status, 200, "{bought:?}");
    let jti = bought.json()["session"]["jti"].as_str().unwrap().to_owned();
    let with = async |proof: &str| {
        get(&url, &[(payment.header, &payment.value), (header::SIGN_IN_WITH_X, proof)]).await
    };

    let challenge = present(&url, &payment).await;
    assert_challenge(&challenge, &jti);
    let (own, payers) = (stranger.address(), payer.address());
    assert_challenge(&with(&sign_in(&challenge, stranger.key(), &own)).await, &jti);
    assert_challenge(&with(&sign_in(&challenge, stranger.key(), &payers)).await, &jti);
    // A challenge for another feed, answered by the payer: what was signed there does not count here.
    let other = facilitator.url("/feeds/other/session");
    let payment_there = payer.pay_v1("base-sepolia", &Agent::terms(&offer(&bill(&other).await, PRICE)));
    assert_eq!(present(&other, &payment_there).await.status, 200);
    let challenge_there = present(&other, &payment_there).await;
    assert_challenge(&with(&sign_in(&challenge_there, payer.key(), &payers)).await, &jti);

    let proof = sign_in(&challenge, payer.key(), &payers);
    let collected = with(&proof).await;
    assert_eq!(collected.status, 200, "{collected:?}");
    assert_eq!(collected.json()["session"]["jti"], jti.as_str());
    assert!(collected.json()["token"].is_string());
    assert_challenge(&with(&proof).await, &jti);
    let fresh = with(&sign_in(&present(&url, &payment).await, payer.key(), &payers)).await;
    assert_eq!(fresh.json()["session"]["jti"], jti.as_str(), "another challenge, the same session");
}
