use super::*;
use crate::evm::{Authorization, PrivateKey};
use serde_json::json;

const NOW: u64 = 1_800_000_000;
const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

fn key() -> PrivateKey {
    PrivateKey::from_hex(&"11".repeat(32)).unwrap()
}

fn offer() -> PaymentRequirements {
    serde_json::from_value(json!({
        "scheme": "exact", "network": "eip155:8453", "amount": "10000",
        "asset": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "payTo": PAY_TO, "maxTimeoutSeconds": 300,
        "extra": {"name": "USD Coin", "version": "2"},
    }))
    .unwrap()
}

fn authorization() -> Authorization {
    Authorization {
        from: key().address(),
        to: PAY_TO.parse().unwrap(),
        value: offer().amount,
        valid_after: 0,
        valid_before: NOW + 300,
        nonce: [7; 32],
    }
}

/// What the payer sends, after `change` to what is signed.
fn paid(change: impl FnOnce(&mut Authorization)) -> Value {
    let mut authorization = authorization();
    change(&mut authorization);
    let signature = authorization.sign(&key(), &Domain::usdc(Network::BASE).unwrap()).unwrap();
    Payload::new(authorization, &signature).to_json()
}

fn refused(offer: &PaymentRequirements, payload: &Value) -> &'static str {
    let refusal = check_at(offer, payload, Dialect::V2, NOW).unwrap_err();
    assert!(!refusal.message.is_empty());
    refusal.reason
}

#[test]
fn an_exact_payment_passes() {
    let checked = check_at(&offer(), &paid(|_| ()), Dialect::V2, NOW).unwrap();
    assert!(checked.signature_checked);
    assert_eq!(checked.payer(), key().address());
    assert_eq!(
        checked.id.as_str(),
        "eip155:8453/0x833589fcd6edb6e08f4c7c32d4f71b54bda02913/0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a/0x0707070707070707070707070707070707070707070707070707070707070707"
    );
    assert_eq!(check_static(&offer(), &paid(|_| ()), Dialect::V2).unwrap().own_key().unwrap().id, checked.id);
}

#[test]
fn a_payload_kept_as_text_is_the_same_with_escapes_too() {
    let json = paid(|_| ());
    let payload = Payload::parse(&json).unwrap();
    let text = json.to_string();
    for text in
        [text.replace("0x", "0\\u0078"), text.replacen('{', r#"{"extra": [1, {"a": null}], "#, 1), text]
    {
        assert!(Payload::parse_kept(&text) == Ok(payload.clone()), "{text}");
        assert!(Payload::parse_kept(&text.replace("authorization", "authorisation")).is_err());
        assert!(Payload::parse_kept(&text[1..]).is_err());
    }
}

/// However a payment is written down, it is the same payment.
#[test]
fn letter_case_and_unknown_keys_do_not_make_another_payment() {
    let id = check_static(&offer(), &paid(|_| ()), Dialect::V2).unwrap().id;
    let mut payload = paid(|_| ());
    for field in ["from", "to", "nonce"] {
        let text =
            payload["authorization"][field].as_str().unwrap().to_ascii_uppercase().replacen("0X", "0x", 1);
        payload["authorization"][field] = json!(text);
    }
    payload["extra"] = json!({"a": 1});
    let mut offer = offer();
    offer.asset = offer.asset.to_ascii_lowercase();
    assert_eq!(check_static(&offer, &payload, Dialect::V2).unwrap().id, id);
}

#[test]
fn each_fault_has_the_reference_s_reason() {
    let with = |change: fn(&mut PaymentRequirements)| {
        let mut offer = offer();
        change(&mut offer);
        offer
    };
    let good = paid(|_| ());
    for (offer, reason) in [
        (with(|o| o.scheme = "upto".into()), reason::UNSUPPORTED_SCHEME),
        (with(|o| o.extra = None), reason::EVM_MISSING_EIP712_DOMAIN),
        (with(|o| o.network = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1".into()), reason::INVALID_NETWORK),
        (with(|o| o.network = "base".into()), reason::INVALID_NETWORK),
        (with(|o| o.asset = "USDC".into()), reason::INVALID_PAYMENT_REQUIREMENTS),
        (with(|o| o.pay_to = "me".into()), reason::INVALID_PAYMENT_REQUIREMENTS),
        (with(|o| o.pay_to = o.asset.clone()), reason::EVM_RECIPIENT_MISMATCH),
    ] {
        assert_eq!(refused(&offer, &good), reason);
    }
    let offer = offer();
    for (payload, reason) in [
        (paid(|a| a.value = "0.009999".parse().unwrap()), reason::EVM_VALUE_MISMATCH),
        (paid(|a| a.value = "0.010001".parse().unwrap()), reason::EVM_VALUE_MISMATCH),
        (paid(|a| a.valid_before = NOW + 5), reason::EVM_VALID_BEFORE),
        (paid(|a| a.valid_before = NOW + 361), reason::EVM_VALID_BEFORE),
        (paid(|a| a.valid_before = u64::MAX), reason::EVM_VALID_BEFORE),
        (paid(|a| a.valid_after = NOW + 1), reason::EVM_VALID_AFTER),
        (json!({"permit2Authorization": {}, "signature": "0x"}), reason::UNSUPPORTED_PAYLOAD_TYPE),
        (json!({"transaction": "AA=="}), reason::INVALID_PAYLOAD),
        (json!(null), reason::INVALID_PAYLOAD),
    ] {
        assert_eq!(refused(&offer, &payload), reason);
    }
}

#[test]
fn the_window_s_edges_are_inclusive() {
    for payload in [
        paid(|a| a.valid_before = NOW + 6),
        paid(|a| a.valid_before = NOW + 360),
        paid(|a| a.valid_after = NOW),
    ] {
        assert!(check_at(&offer(), &payload, Dialect::V2, NOW).is_ok());
        assert!(check_static(&offer(), &payload, Dialect::V2).is_ok());
    }
    assert!(
        check_static(&offer(), &paid(|a| a.valid_before = 1), Dialect::V2).is_ok(),
        "no clock, no window"
    );
}

#[test]
fn v1_names_a_wrong_amount_differently() {
    for payload in [paid(|a| a.value = "1".parse().unwrap()), {
        let mut huge = paid(|_| ());
        huge["authorization"]["value"] = json!("9".repeat(78));
        huge
    }] {
        let reason_in = |dialect| check_static(&offer(), &payload, dialect).unwrap_err().reason;
        assert_eq!(reason_in(Dialect::V1), reason::EVM_VALUE_V1);
        assert_eq!(reason_in(Dialect::V2), reason::EVM_VALUE_MISMATCH);
    }
}

/// Anybody may change anything in flight; nothing but what the payer signed passes as the payer's.
#[test]
fn what_the_payer_did_not_sign_is_not_the_payer_s() {
    let stranger = PrivateKey::from_hex(&"12".repeat(32)).unwrap().address().to_string();
    for (field, value) in
        [("from", stranger.as_str()), ("nonce", &format!("0x{}", "08".repeat(32))), ("validAfter", "1")]
    {
        let mut payload = paid(|_| ());
        payload["authorization"][field] = json!(value);
        let checked = check_static(&offer(), &payload, Dialect::V2).unwrap();
        assert!(!checked.signature_checked, "{field}");
        assert_eq!(checked.own_key().unwrap_err().reason, reason::EVM_SIGNATURE);
    }
    let mut elsewhere = offer();
    elsewhere.network = "eip155:84532".into();
    assert!(!check_static(&elsewhere, &paid(|_| ()), Dialect::V2).unwrap().signature_checked);
}

#[test]
fn odd_signatures_are_refused_or_left_to_the_chain() {
    let signed = |signature: &str| {
        let mut payload = paid(|_| ());
        payload["signature"] = json!(signature);
        payload
    };
    for (signature, reason) in [
        ("", reason::EVM_FAILED_TO_PARSE_SIGNATURE),
        ("0xzz", reason::EVM_FAILED_TO_PARSE_SIGNATURE),
        ("0x123", reason::EVM_FAILED_TO_PARSE_SIGNATURE),
        (&format!("0x{}", "00".repeat(4097)), reason::EVM_FAILED_TO_PARSE_SIGNATURE),
        ("0x", reason::EVM_SIGNATURE),
        (&format!("0x{}", "00".repeat(65)), reason::EVM_SIGNATURE),
        (&format!("0x{}1d", "11".repeat(64)), reason::EVM_SIGNATURE),
    ] {
        let payload = signed(signature);
        assert_eq!(refused(&offer(), &payload), reason, "{signature:.20}");
        let refusal = check_static(&offer(), &payload, Dialect::V2).unwrap_err();
        assert_eq!(refusal.payer, Some(key().address().to_string()));
    }
    for bytes in [1, 64, 66, 4096] {
        let checked =
            check_static(&offer(), &signed(&format!("0x{}", "11".repeat(bytes))), Dialect::V2).unwrap();
        assert!(!checked.signature_checked, "{bytes}");
    }
}

#[test]
fn numbers_are_strings_of_digits_within_bounds() {
    for (field, value, reason) in [
        ("value", json!(10_000), reason::INVALID_PAYLOAD),
        ("value", json!("0x2710"), reason::INVALID_PAYLOAD),
        ("value", json!(""), reason::INVALID_PAYLOAD),
        ("value", json!("-1"), reason::INVALID_PAYLOAD),
        ("value", json!("1".repeat(79)), reason::INVALID_PAYLOAD),
        (
            "validBefore",
            json!("115792089237316195423570985008687907853269984665640564039457584007913129639935"),
            reason::EVM_VALID_BEFORE,
        ),
        ("validAfter", json!("18446744073709551616"), reason::EVM_VALID_AFTER),
        ("nonce", json!("0x07"), reason::INVALID_PAYLOAD),
        ("from", json!("0x07"), reason::INVALID_PAYLOAD),
        ("to", json!(null), reason::INVALID_PAYLOAD),
    ] {
        let mut payload = paid(|_| ());
        payload["authorization"][field] = value;
        assert_eq!(refused(&offer(), &payload), reason, "{field}");
    }
}

proptest::proptest! {
    /// Any JSON is an answer, not a panic, and refusals quote nothing of it.
    #[test]
    fn any_strings_are_answered(signature: String, from: String, value: String, nonce: String) {
        let payload = json!({"signature": signature, "authorization": {
            "from": from, "to": PAY_TO, "value": value, "validAfter": "0", "validBefore": "1", "nonce": nonce,
        }});
        let refusal = check_static(&offer(), &payload, Dialect::V2).unwrap_err();
        proptest::prop_assert!(from.len() < 12 || !refusal.message.contains(&from));
    }
}
