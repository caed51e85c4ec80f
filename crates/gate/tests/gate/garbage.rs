//! Whatever arrives: a proper status, never a panic, and nothing moves.

use crate::support::{World, encode, offer_of, request, v1_header, v2};
use http::{HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tollwire_x402::header;

#[tokio::test]
async fn malformed_headers_are_named() {
    let world = World::new();
    let required = world.bill("ticks").await;
    let offer = offer_of(&required, 10_000);
    let good = v2(&required, &offer, &world.wallet(7).sign(&offer, 1));
    let bomb = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode("[".repeat(12_000))
    };
    let oversize = "A".repeat(17 * 1024);
    let url_safe = encode(&json!({"pad": "\u{3ff}\u{3ff}\u{3ff}???>>>"})).replace('+', "-").replace('/', "_");
    let v1_in_v2 = encode(&json!({
        "x402Version": 1, "accepted": offer, "payload": {}
    }));
    for (name, value) in [
        (header::PAYMENT_SIGNATURE, "%%%"),
        (header::PAYMENT_SIGNATURE, ""),
        (header::PAYMENT_SIGNATURE, "bm90IGpzb24="),
        (header::PAYMENT_SIGNATURE, "e30="),
        (header::PAYMENT_SIGNATURE, &bomb),
        (header::PAYMENT_SIGNATURE, &oversize),
        (header::PAYMENT_SIGNATURE, &url_safe),
        (header::PAYMENT_SIGNATURE, &v1_in_v2),
        (header::X_PAYMENT, "%%%"),
        (header::X_PAYMENT, "e30="),
        (header::X_PAYMENT, &bomb),
        (header::X_PAYMENT, &good),
    ] {
        let reply = world.paid_with("ticks", name, value, &[]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name}: {value:.30}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert!(reply.json()["detail"].as_str().unwrap().contains(name), "{}", reply.text);
    }
    for claim in ["short", &"x".repeat(257), "with a space in it, yes"] {
        let reply = world.pay("ticks", &good, &[(header::TOLLWIRE_CLAIM, claim)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{claim}");
    }
    let twice = world.pay("ticks", &good, &[(header::PAYMENT_SIGNATURE, &good)]).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST, "a header twice");
    let both = world.pay("ticks", &good, &[(header::X_PAYMENT, &v1_header(&json!({})))]).await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST, "both dialects");
    let claims = [(header::TOLLWIRE_CLAIM, "aaaaaaaaaaaaaaaa"), (header::TOLLWIRE_CLAIM, "bbbbbbbbbbbbbbbb")];
    assert_eq!(world.pay("ticks", &good, &claims).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.chain.transfers(), []);
}

/// JSON of every shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
        "0x[0-9a-f]{0,140}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            Just("signature".to_owned()),
            Just("authorization".to_owned()),
            Just("value".to_owned()),
            Just("from".to_owned()),
            Just("nonce".to_owned()),
            Just("payload".to_owned()),
            "[a-zA-Z]{1,12}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One field of a good payment exchanged for anything.
fn mutated() -> impl Strategy<Value = (Vec<&'static str>, Value)> {
    let path = prop_oneof![
        Just(vec!["x402Version"]),
        Just(vec!["accepted"]),
        Just(vec!["accepted", "amount"]),
        Just(vec!["accepted", "network"]),
        Just(vec!["accepted", "asset"]),
        Just(vec!["accepted", "payTo"]),
        Just(vec!["accepted", "extra"]),
        Just(vec!["payload"]),
        Just(vec!["payload", "signature"]),
        Just(vec!["payload", "authorization"]),
        Just(vec!["payload", "authorization", "value"]),
        Just(vec!["payload", "authorization", "from"]),
        Just(vec!["payload", "authorization", "validBefore"]),
        Just(vec!["payload", "authorization", "nonce"]),
    ];
    (path, any_json())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

const PROPER: [u16; 6] = [400, 401, 402, 404, 405, 409];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_header_bytes_get_a_proper_status(
        name in prop::sample::select(vec![
            header::PAYMENT_SIGNATURE, header::X_PAYMENT, header::TOLLWIRE_CLAIM, header::SIGN_IN_WITH_X,
            header::TOLLWIRE_STREAM, "authorization",
        ]),
        value in prop::collection::vec(any::<u8>(), 0..200),
        leaf in prop::sample::select(vec!["session", "ws"]),
    ) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let reply = run(async {
            let world = World::new();
            let mut request = request(Method::GET, &format!("/feeds/ticks/{leaf}"));
            request.headers_mut().insert(name, value);
            world.call(request).await
        });
        prop_assert!(PROPER.contains(&reply.status.as_u16()), "{reply:?}");
    }

    #[test]
    fn any_payment_json_gets_a_proper_status(json in any_json(), v2 in any::<bool>()) {
        let name = if v2 { header::PAYMENT_SIGNATURE } else { header::X_PAYMENT };
        let reply = run(async { World::new().paid_with("ticks", name, &encode(&json), &[]).await });
        prop_assert!(PROPER.contains(&reply.status.as_u16()), "{reply:?}");
    }

    #[test]
    fn a_bent_payment_moves_nothing_but_what_was_signed((path, value) in mutated()) {
        let (status, moved) = run(async {
            let world = World::new();
            let required = world.bill("ticks").await;
            let offer = offer_of(&required, 10_000);
            let mut payment: Value = header::decode(
                header::PAYMENT_SIGNATURE,
                v2(&required, &offer, &world.wallet(7).sign(&offer, 1)).as_bytes(),
            ).unwrap();
            let slot = path.iter().fold(&mut payment, |at, key| &mut at[*key]);
            *slot = value;
            let reply = world.pay("ticks", &encode(&payment), &[]).await;
            (reply.status.as_u16(), world.chain.transfers().len())
        });
        prop_assert!(PROPER.contains(&status) || status == 200, "{status}");
        prop_assert_eq!(moved, usize::from(status == 200), "only a payment that buys a session moves money");
    }

    #[test]
    fn any_facilitator_body_is_200_or_400(json in any_json(), settle in any::<bool>()) {
        let status = run(async {
            let mut request = request(Method::POST, if settle { "/settle" } else { "/verify" });
            *request.body_mut() = json.to_string().into();
            World::new().call(request).await.status.as_u16()
        });
        prop_assert!([200, 400].contains(&status), "{status}");
    }

    #[test]
    fn any_target_gets_a_proper_status(path in "/[ -~]{0,60}") {
        let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
        let status = run(async {
            World::new().call(request(Method::GET, &uri.to_string())).await.status.as_u16()
        });
        prop_assert!(PROPER.contains(&status) || status == 200, "{path}: {status}");
    }
}
