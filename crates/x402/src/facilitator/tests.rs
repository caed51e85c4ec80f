use super::*;
use serde_json::json;

const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

fn v1_body() -> Value {
    json!({
        "x402Version": 1,
        "paymentPayload": {"x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": {"signature": "0xs3cret"}},
        "paymentRequirements": {
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "10000", "resource": "https://x.example",
            "description": "", "mimeType": "", "payTo": PAY_TO, "maxTimeoutSeconds": 60, "asset": USDC,
            "extra": {"name": "USDC", "version": "2"}, "outputSchema": null,
        },
    })
}

fn v2_body() -> Value {
    let offer = json!({
        "scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": USDC, "payTo": PAY_TO,
        "maxTimeoutSeconds": 60, "extra": {"name": "USDC", "version": "2"},
    });
    json!({
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": offer, "payload": {"signature": "0xs3cret"}},
        "paymentRequirements": offer,
    })
}

fn parse(body: Value) -> Result<Result<Request, u64>, crate::Error> {
    serde_json::from_value::<RawRequest>(body).unwrap().parse()
}

#[test]
fn both_dialects_come_to_one_offer() {
    let (v1, v2) = (parse(v1_body()).unwrap().unwrap(), parse(v2_body()).unwrap().unwrap());
    assert_eq!((v1.version(), v2.version()), (1, 2));
    assert_eq!((v1.network_text(), v2.network_text()), ("base-sepolia", "eip155:84532"));
    let payload = json!({"signature": "0xs3cret"});
    assert_eq!(v1.canonical(), v2.canonical());
    assert_eq!(v1.canonical().map(|(_, payload)| payload), Some(&payload));
    assert!(!format!("{v1:?} {v2:?}").contains("s3cret"));
}

#[test]
fn a_request_travels_as_it_was_read() {
    for body in [v1_body(), v2_body()] {
        let request = parse(body).unwrap().unwrap();
        assert_eq!(request.to_raw().unwrap().parse(), Ok(Ok(request)));
    }
}

#[test]
fn the_payload_s_version_decides_then_the_envelope_s() {
    let mut body = v2_body();
    body["x402Version"] = json!(1);
    assert_eq!(parse(body).unwrap().unwrap().version(), 2);
    let mut body = v1_body();
    body["paymentPayload"]["x402Version"] = Value::Null;
    assert!(parse(body).is_err(), "v1 requires its version in the payload");
    let mut body = v2_body();
    body["paymentPayload"]["x402Version"] = json!(3);
    assert_eq!(parse(body), Ok(Err(3)));
    let body = json!({"x402Version": 7, "paymentPayload": {}, "paymentRequirements": {}});
    assert_eq!(parse(body), Ok(Err(7)));
    let body = json!({"paymentPayload": {}, "paymentRequirements": {}});
    assert!(parse(body).unwrap_err().to_string().contains("x402Version is missing"));
}

#[test]
fn a_malformed_half_is_named_and_not_quoted() {
    let mut body = v2_body();
    body["paymentRequirements"]["amount"] = json!("s3cret");
    let error = parse(body).unwrap_err().to_string();
    assert!(error.contains("paymentRequirements") && !error.contains("s3cret"), "{error}");
    let mut body = v2_body();
    body["paymentPayload"]["accepted"] = json!("s3cret, expected s3cret");
    let error = parse(body).unwrap_err().to_string();
    assert!(error.contains("paymentPayload") && !error.contains("s3cret"), "{error}");
}

#[test]
fn answers_omit_what_is_empty_and_always_name_a_transaction() {
    let settled = SettleResponse {
        success: false,
        error_reason: Some("settlement_pending".into()),
        error_message: None,
        payer: None,
        transaction: String::new(),
        network: "base".into(),
        amount: None,
        extensions: None,
    };
    assert_eq!(
        serde_json::to_string(&settled).unwrap(),
        r#"{"success":false,"errorReason":"settlement_pending","transaction":"","network":"base"}"#
    );
    assert_eq!(serde_json::to_string(&VerifyResponse::valid(None)).unwrap(), r#"{"isValid":true}"#);
    let invalid = VerifyResponse::invalid("invalid_network", "say base", Some("0x00".into()));
    assert_eq!(
        serde_json::to_string(&invalid).unwrap(),
        r#"{"isValid":false,"invalidReason":"invalid_network","invalidMessage":"say base","payer":"0x00"}"#
    );
}

#[test]
fn nulls_of_older_facilitators_are_read() {
    let settled: SettleResponse = serde_json::from_value(json!({
        "success": false, "errorReason": "invalid_payload", "transaction": null, "network": null, "payer": null, "txHash": null,
    }))
    .unwrap();
    assert_eq!((settled.transaction.as_str(), settled.network.as_str()), ("", ""));
    // v1 facilitators know `kinds` alone.
    let supported: Supported = serde_json::from_value(json!({
        "kinds": [{"x402Version": 1, "scheme": "exact", "network": "base", "extra": null}], "extensions": null,
    }))
    .unwrap();
    assert_eq!(supported.kinds.len(), 1);
    assert!(supported.extensions.is_empty() && supported.signers.is_empty());
}

#[test]
fn debug_shows_no_token() {
    let settled: SettleResponse = serde_json::from_value(json!({
        "success": true, "transaction": "0xab", "network": "base",
        "extensions": {"tollwire-session": {"info": {"token": "s3cret"}}},
    }))
    .unwrap();
    assert!(!format!("{settled:?}").contains("s3cret"));
}
