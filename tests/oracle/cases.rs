//! The requests.

use crate::messages::{PRICE, USDC, V1_NETWORK, bytes, offer, signed, v1, v2};
use crate::servers::{OTHER, Wallets};
use crate::signatures::{compact, high_s, resigned};
use bytes::Bytes;
use serde_json::{Value, json};
use tollwire_testkit::evm::MULTICALL3;
use tollwire_tests::agent::{Agent, now};

/// One request, asked of `/verify` and then of `/settle`.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) body: Bytes,
}

/// All of them, in the order they are asked: a replay comes after what it repeats.
pub(crate) fn all(wallets: &Wallets) -> Vec<Case> {
    let mut all = valid(wallets);
    all.extend(amounts_and_payees(wallets));
    all.extend(networks_and_schemes(wallets));
    all.extend(domains_and_assets(wallets));
    all.extend(windows(wallets));
    all.extend(signed_otherwise(wallets));
    all.extend(authorizations(wallets));
    all.extend(versions(wallets));
    all.extend(shapes(wallets));
    all
}

fn case(name: &'static str, request: &Value) -> Case {
    Case { name, body: bytes(request) }
}

fn raw(name: &'static str, body: impl Into<Bytes>) -> Case {
    Case { name, body: body.into() }
}

/// A request made right, then changed.
fn changed(name: &'static str, mut request: Value, change: impl FnOnce(&mut Value)) -> Case {
    change(&mut request);
    case(name, &request)
}

fn good(agent: &Agent) -> Value {
    signed(agent, |_| {})
}

fn valid(Wallets { rich, poor }: &Wallets) -> Vec<Case> {
    let (first, second) = (good(rich), good(rich));
    vec![
        case("valid, v2", &v2(&first)),
        case("valid, v1", &v1(&second)),
        case("settled before, v2", &v2(&first)),
        case("settled before, v1", &v1(&second)),
        case("settled before in the other dialect", &v1(&first)),
        changed("addresses in lower case", v2(&good(rich)), |request| {
            for key in ["payTo", "asset"] {
                let lower = request["paymentRequirements"][key].as_str().unwrap().to_lowercase();
                offer(request, key, &json!(lower));
            }
        }),
        changed("null members where nothing is said", v2(&good(rich)), |request| {
            request["paymentPayload"]["resource"] = Value::Null;
            request["paymentPayload"]["extensions"] = Value::Null;
        }),
        changed("members nobody knows", v2(&good(rich)), |request| {
            request["more"] = json!({ "a": [1] });
            request["paymentPayload"]["payload"]["more"] = json!(true);
            offer(request, "more", &json!("x"));
        }),
        changed("no resource", v2(&good(rich)), |request| {
            request["paymentPayload"].as_object_mut().unwrap().remove("resource");
        }),
        case("paid to oneself", &{
            let address = rich.address();
            let mut request = v2(&signed(rich, |terms| terms.to.clone_from(&address)));
            offer(&mut request, "payTo", &json!(address));
            request
        }),
        case("no money, v2", &v2(&good(poor))),
        case("no money, v1", &v1(&good(poor))),
    ]
}

fn amounts_and_payees(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let less = |value: &mut tollwire_tests::agent::Terms| value.value -= 1;
    let more = |value: &mut tollwire_tests::agent::Terms| value.value += 1;
    let elsewhere = |terms: &mut tollwire_tests::agent::Terms| OTHER.clone_into(&mut terms.to);
    vec![
        case("one unit less, v2", &v2(&signed(rich, less))),
        case("one unit more, v2", &v2(&signed(rich, more))),
        case("one unit less, v1", &v1(&signed(rich, less))),
        case("one unit more, v1", &v1(&signed(rich, more))),
        changed("nothing asked and nothing paid", v2(&signed(rich, |terms| terms.value = 0)), |request| {
            offer(request, "amount", &json!("0"));
        }),
        changed("the echo names another amount", v2(&good(rich)), |request| {
            request["paymentPayload"]["accepted"]["amount"] = json!((PRICE + 1).to_string());
        }),
        changed("an amount that is a number", v2(&good(rich)), |request| {
            offer(request, "amount", &json!(PRICE));
        }),
        changed("an amount with a fraction", v2(&good(rich)), |request| {
            offer(request, "amount", &json!("5000.0"));
        }),
        changed("an amount below zero", v2(&good(rich)), |request| offer(request, "amount", &json!("-5000"))),
        changed("an amount beyond any balance", v2(&good(rich)), |request| {
            offer(request, "amount", &json!("1".repeat(80)));
        }),
        case("another payee signed, v2", &v2(&signed(rich, elsewhere))),
        case("another payee signed, v1", &v1(&signed(rich, elsewhere))),
        changed("another payee offered", v2(&good(rich)), |request| offer(request, "payTo", &json!(OTHER))),
        changed("a payee that is no address", v2(&good(rich)), |request| {
            offer(request, "payTo", &json!("bob"));
        }),
        changed("no payee", v2(&good(rich)), |request| offer(request, "payTo", &Value::Null)),
    ]
}

fn networks_and_schemes(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let echo = |name, key: &'static str, value: &'static str| {
        changed(name, v2(&good(rich)), |request| request["paymentPayload"]["accepted"][key] = json!(value))
    };
    let both = |name, key: &'static str, value: &'static str| {
        changed(name, v2(&good(rich)), |request| offer(request, key, &json!(value)))
    };
    vec![
        echo("the echo names another network", "network", "eip155:8453"),
        both("a network nobody serves here", "network", "eip155:1"),
        both("a network of another family", "network", "cosmos:cosmoshub-4"),
        both("a v1 name in v2", "network", V1_NETWORK),
        changed("another network in the payload, v1", v1(&good(rich)), |request| {
            request["paymentPayload"]["network"] = json!("base");
        }),
        changed("a network nobody serves here, v1", v1(&good(rich)), |request| {
            request["paymentPayload"]["network"] = json!("iotex");
            request["paymentRequirements"]["network"] = json!("iotex");
        }),
        changed("a CAIP-2 name in v1", v1(&good(rich)), |request| {
            request["paymentPayload"]["network"] = json!("eip155:84532");
            request["paymentRequirements"]["network"] = json!("eip155:84532");
        }),
        echo("the echo names another scheme", "scheme", "upto"),
        both("a scheme nobody serves here", "scheme", "deferred"),
        changed("another scheme in the payload, v1", v1(&good(rich)), |request| {
            request["paymentPayload"]["scheme"] = json!("upto");
        }),
    ]
}

fn domains_and_assets(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let extra =
        |name, value: Value| changed(name, v2(&good(rich)), |request| offer(request, "extra", &value));
    let asset = |name, value: &str| {
        let value = json!(value);
        changed(name, v2(&good(rich)), |request| offer(request, "asset", &value))
    };
    vec![
        extra("no EIP-712 domain", json!({})),
        extra("extra is null", Value::Null),
        extra("no version in the domain", json!({ "name": "USDC" })),
        extra("another name of the token", json!({ "name": "USD Coin", "version": "2" })),
        extra("another version of the token", json!({ "name": "USDC", "version": "1" })),
        extra("a version that is a number", json!({ "name": "USDC", "version": 2 })),
        changed("no EIP-712 domain, v1", v1(&good(rich)), |request| {
            request["paymentRequirements"]["extra"] = json!({});
        }),
        case("signed under another name", &v2(&signed(rich, |terms| terms.domain.name = "USD Coin".into()))),
        case("signed under another version", &v2(&signed(rich, |terms| terms.domain.version = "1".into()))),
        case("signed for another chain", &v2(&signed(rich, |terms| terms.domain.chain_id = 8453))),
        case("signed for another token", &{
            v2(&signed(rich, |terms| terms.domain.contract = OTHER.parse().unwrap()))
        }),
        asset("an asset without code", OTHER),
        asset("an asset that is another contract", MULTICALL3),
        asset("an asset that is no address", "USDC"),
    ]
}

fn windows(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let window = |after: u64, before: u64| {
        signed(rich, |terms| (terms.valid_after, terms.valid_before) = (after, before))
    };
    vec![
        case("over, v2", &v2(&window(0, now() - 60))),
        case("over, v1", &v1(&window(0, now() - 60))),
        case("over in a moment", &v2(&window(0, now() + 3))),
        case("not yet, v2", &v2(&window(now() + 60, now() + 120))),
        case("not yet, v1", &v1(&window(now() + 60, now() + 120))),
        case("never", &v2(&window(now() + 90, now() + 60))),
        case("for a day", &v2(&window(0, now() + 86_400))),
        changed("an end beyond all numbers", v2(&good(rich)), |request| {
            request["paymentPayload"]["payload"]["authorization"]["validBefore"] = json!("1".repeat(90));
        }),
    ]
}

fn signed_otherwise(Wallets { rich, poor }: &Wallets) -> Vec<Case> {
    let payload = || good(rich);
    let signature = |name, value: Value| {
        changed(name, v2(&payload()), |request| request["paymentPayload"]["payload"]["signature"] = value)
    };
    vec![
        changed("another's signature", v2(&payload()), |request| {
            let other = poor.address();
            request["paymentPayload"]["payload"]["authorization"]["from"] = json!(other);
        }),
        case("a bit of the signature flipped", &v2(&resigned(&payload(), |bytes| bytes[5] ^= 1))),
        case("a bit of the signature flipped, v1", &v1(&resigned(&payload(), |bytes| bytes[5] ^= 1))),
        case("s in its upper half", &v2(&resigned(&payload(), |bytes| high_s(bytes)))),
        case("v of 0 or 1", &v2(&resigned(&payload(), |bytes| bytes[64] -= 27))),
        case("v of 29", &v2(&resigned(&payload(), |bytes| bytes[64] = 29))),
        case("a compact signature", &v2(&resigned(&payload(), compact))),
        case("a byte too many", &v2(&resigned(&payload(), |bytes| bytes.push(0)))),
        case("a byte too few", &v2(&resigned(&payload(), |bytes| bytes.truncate(64)))),
        case("a signature of zeros", &v2(&resigned(&payload(), |bytes| bytes.fill(0)))),
        signature("an empty signature", json!("0x")),
        signature("a signature that is not hex", json!("0xnothex")),
        signature("a signature that is text", json!("signed, Bob")),
        signature("a signature that is a number", json!(7)),
        signature("a signature that is null", Value::Null),
    ]
}

fn authorizations(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let with = |name, key: &'static str, value: Value| {
        changed(name, v2(&good(rich)), |request| {
            request["paymentPayload"]["payload"]["authorization"][key] = value;
        })
    };
    let payload = |name, value: Value| {
        changed(name, v2(&good(rich)), |request| request["paymentPayload"]["payload"] = value)
    };
    vec![
        with("a nonce that was not signed", "nonce", json!(format!("0x{}", "5a".repeat(32)))),
        with("a nonce of 31 bytes", "nonce", json!(format!("0x{}", "5a".repeat(31)))),
        with("a nonce that is a number", "nonce", json!(5)),
        with("a payer that is no address", "from", json!("0x12")),
        with("no payer", "from", Value::Null),
        with("a value that is a number", "value", json!(PRICE)),
        with("a value that is hex", "value", json!("0x1388")),
        with("a value below zero", "value", json!("-5000")),
        with("no value", "value", Value::Null),
        with("a start that is text", "validAfter", json!("soon")),
        payload("no authorization", json!({ "signature": "0x" })),
        payload("a payload that is null", Value::Null),
        payload("a payload that is text", json!("paid")),
        payload(
            "a Permit2 payload",
            json!({ "signature": "0x", "permit2Authorization": { "permitted": { "token": USDC, "amount": "5000" } } }),
        ),
        payload("a Solana payload", json!({ "transaction": "AAAA" })),
    ]
}

fn versions(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let version = |name, value: Value| {
        changed(name, v2(&good(rich)), |request| request["paymentPayload"]["x402Version"] = value)
    };
    vec![
        version("a version nobody speaks", json!(3)),
        version("version 0", json!(0)),
        version("a version that is text", json!("2")),
        version("a version that is null", Value::Null),
        changed("versions that differ", v2(&good(rich)), |request| request["x402Version"] = json!(1)),
        changed("no envelope version", v2(&good(rich)), |request| {
            request.as_object_mut().unwrap().remove("x402Version");
        }),
        changed("v1 offer under a v2 payload", v2(&good(rich)), |request| {
            request["paymentRequirements"] = v1(&Value::Null)["paymentRequirements"].clone();
        }),
    ]
}

fn shapes(Wallets { rich, .. }: &Wallets) -> Vec<Case> {
    let without = |name, key: &'static str| {
        changed(name, v2(&good(rich)), |request| drop(request.as_object_mut().unwrap().remove(key)))
    };
    vec![
        without("no payment", "paymentPayload"),
        without("no offer", "paymentRequirements"),
        changed("a payment that is null", v2(&good(rich)), |request| request["paymentPayload"] = Value::Null),
        changed("an offer that is a list", v2(&good(rich)), |request| {
            request["paymentRequirements"] = json!([]);
        }),
        changed("no time-out", v2(&good(rich)), |request| offer(request, "maxTimeoutSeconds", &Value::Null)),
        changed("a time-out that is text", v2(&good(rich)), |request| {
            offer(request, "maxTimeoutSeconds", &json!("120"));
        }),
        raw("nothing", ""),
        raw("an empty object", "{}"),
        raw("a list", "[]"),
        raw("null", "null"),
        raw("text that is not JSON", "pay me"),
        raw("half of a request", bytes(&v2(&good(rich))).slice(..100)),
        raw("bytes that are not UTF-8", vec![0xff, 0xfe, 0x00]),
        raw("a request of 100 KB", format!("{{\"pad\":\"{}\"}}", "x".repeat(100_000))),
        raw("twenty thousand brackets", "[".repeat(20_000)),
    ]
}
