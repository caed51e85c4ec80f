//! Usage receipts and the signatures of control messages.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use tollwire_session::{
    Algorithm, CONTROL_SECS_MAX, ControlClaims, ControlMessage, Error, Issuer, KeySet, ReceiptClaims,
    SigningKey,
};
use tollwire_x402::{SessionId, Usdc};

const URL: &str = "https://pay.example";
const NOW: u64 = 1_800_000_000;
const MESSAGE: ControlMessage<'static> = ControlMessage {
    kind: "x402/payment-required",
    id: Some("q1"),
    data: r#"{"x402Version":2, "accepts":[]}"#,
};

fn session() -> SessionId {
    "7d444840-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap()
}

fn receipt() -> ReceiptClaims {
    ReceiptClaims {
        iss: URL.into(),
        sub: "0x857b06519e91e3a54538791bdbb0e22373e36b66".into(),
        jti: session(),
        feed: "ticks".parse().unwrap(),
        unit: "stream".parse().unwrap(),
        network: "eip155:8453".parse().unwrap(),
        chain: "base".into(),
        bought: 10,
        used: 4,
        refunded: 5,
        remaining: 1,
        amount: Usdc::from_atomic(10_000_000).unwrap(),
        used_amount: Usdc::from_atomic(4_000_000).unwrap(),
        from: NOW,
        to: NOW + 60,
        iat: NOW + 61,
        is_final: true,
    }
}

fn issuer() -> (Issuer, KeySet) {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let keys = KeySet::default().with(&key);
    (Issuer::new(key, URL.into(), URL.into()), keys)
}

#[test]
fn a_receipt_says_what_was_signed_for_ever() {
    let (issuer, keys) = issuer();
    for claims in [receipt(), ReceiptClaims { from: 0, to: 0, iat: 0, is_final: false, ..receipt() }] {
        let signed = issuer.issue_receipt(&claims).unwrap();
        assert_eq!(ReceiptClaims::verify(&signed, &keys, URL), Ok(claims));
        assert_eq!(ReceiptClaims::verify(&signed, &keys, "https://other.example"), Err(Error::Issuer));
        assert_eq!(ReceiptClaims::verify(&signed, &KeySet::default(), URL), Err(Error::UnknownKey));
    }
}

#[test]
fn a_receipt_whose_numbers_do_not_add_up_is_not_signed() {
    let (issuer, _) = issuer();
    for (wrong, error) in [
        (ReceiptClaims { iss: "https://other.example".into(), ..receipt() }, Error::Issuer),
        (ReceiptClaims { sub: String::new(), ..receipt() }, Error::Claims("sub")),
        (ReceiptClaims { chain: "Base".into(), ..receipt() }, Error::Claims("chain")),
        (ReceiptClaims { used: 5, ..receipt() }, Error::Claims("bought")),
        (ReceiptClaims { refunded: 6, ..receipt() }, Error::Claims("bought")),
        (ReceiptClaims { remaining: 2, ..receipt() }, Error::Claims("bought")),
        (ReceiptClaims { used: u64::MAX, ..receipt() }, Error::Claims("bought")),
        (ReceiptClaims { bought: 1 << 53, ..receipt() }, Error::Claims("bought")),
        (ReceiptClaims { amount: Usdc::ZERO, ..receipt() }, Error::Claims("used_amount")),
        (ReceiptClaims { to: NOW - 1, ..receipt() }, Error::Claims("to")),
        (ReceiptClaims { iat: 1 << 53, ..receipt() }, Error::Claims("iat")),
    ] {
        assert_eq!(issuer.issue_receipt(&wrong), Err(error));
    }
    let expired = ReceiptClaims { remaining: 0, ..receipt() };
    assert!(issuer.issue_receipt(&expired).is_ok(), "units may be held, or fall to the provider");
}

#[test]
fn a_control_message_is_the_facilitators_for_one_session_and_a_while() {
    let (issuer, keys) = issuer();
    let jws = issuer.issue_control(&session(), &MESSAGE, NOW).unwrap();
    let verify = |now| ControlClaims::verify(&jws, &keys, URL, &session(), &MESSAGE, now);
    let claims = verify(NOW).unwrap();
    assert_eq!(claims, ControlClaims::new(URL.into(), session(), NOW, &MESSAGE));
    for (now, expected) in [
        (NOW - CONTROL_SECS_MAX - 1, Err(Error::NotYetValid)),
        (NOW - CONTROL_SECS_MAX, Ok(())),
        (NOW + CONTROL_SECS_MAX, Ok(())),
        (NOW + CONTROL_SECS_MAX + 1, Err(Error::Expired)),
    ] {
        assert_eq!(verify(now).map(|_| ()), expected, "{now}");
    }
    let other: SessionId = "11111111-9dc0-4acd-b245-5ffdce74fad2".parse().unwrap();
    assert_eq!(ControlClaims::verify(&jws, &keys, URL, &other, &MESSAGE, NOW), Err(Error::Audience));
    let evil = "https://evil.example";
    assert_eq!(ControlClaims::verify(&jws, &keys, evil, &session(), &MESSAGE, NOW), Err(Error::Issuer));
    for (message, error) in [
        (ControlMessage { kind: "x402/receipt", ..MESSAGE }, Error::Content("type")),
        (ControlMessage { id: Some("q2"), ..MESSAGE }, Error::Content("id")),
        (ControlMessage { id: None, ..MESSAGE }, Error::Content("id")),
        // The same JSON, written anew.
        (ControlMessage { data: r#"{"x402Version":2,"accepts":[]}"#, ..MESSAGE }, Error::Content("data")),
        (ControlMessage { data: "", ..MESSAGE }, Error::Content("data")),
    ] {
        let verified = ControlClaims::verify(&jws, &keys, URL, &session(), &message, NOW);
        assert_eq!(verified, Err(error), "{message:?}");
    }
}

#[test]
fn a_control_message_may_have_no_id_but_not_any() {
    let (issuer, keys) = issuer();
    let nameless = ControlMessage { id: None, ..MESSAGE };
    let jws = issuer.issue_control(&session(), &nameless, NOW).unwrap();
    assert!(ControlClaims::verify(&jws, &keys, URL, &session(), &nameless, NOW).is_ok());
    let long = "x".repeat(65);
    for name in ["", "\n", "\u{e9}", &long] {
        let message = ControlMessage { id: Some(name), ..MESSAGE };
        assert_eq!(issuer.issue_control(&session(), &message, NOW), Err(Error::Claims("id")), "{name:?}");
        let message = ControlMessage { kind: name, ..MESSAGE };
        assert_eq!(issuer.issue_control(&session(), &message, NOW), Err(Error::Claims("type")), "{name:?}");
    }
}

#[test]
fn neither_is_taken_for_the_other() {
    let (issuer, keys) = issuer();
    let receipt = issuer.issue_receipt(&receipt()).unwrap();
    let control = issuer.issue_control(&session(), &MESSAGE, NOW).unwrap();
    assert_eq!(ReceiptClaims::verify(&control, &keys, URL), Err(Error::Type));
    assert_eq!(ControlClaims::verify(&receipt, &keys, URL, &session(), &MESSAGE, NOW), Err(Error::Type));
}
