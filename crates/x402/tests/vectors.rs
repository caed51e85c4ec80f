//! `tests/vectors/x402.json`: headers that the official implementation wrote, and headers nobody should take.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail loudly")]

use serde_json::Value;
use std::fmt::Debug;
use tollwire_x402::facilitator::SettleResponse;
use tollwire_x402::{Error, header, v2};

const FILE: &str = include_str!("../../../tests/vectors/x402.json");

fn list(key: &str) -> Vec<Value> {
    let mut all: Value = serde_json::from_str(FILE).unwrap();
    let Value::Array(list) = all[key].take() else { panic!("{key}") };
    assert!(!list.is_empty(), "{key}");
    list
}

/// Reads a header by its name; what comes back is what our types understood, and how we would write it.
fn read(name: &str, text: &str) -> Result<(Value, String), Error> {
    fn by<T>(name: &'static str, text: &str) -> Result<(Value, String), Error>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Debug,
    {
        let message: T = header::decode(name, text.as_bytes())?;
        Ok((serde_json::to_value(&message).unwrap(), header::encode(&message)?))
    }
    match name {
        header::PAYMENT_REQUIRED => by::<v2::PaymentRequired>(header::PAYMENT_REQUIRED, text),
        header::PAYMENT_SIGNATURE => by::<v2::PaymentPayload>(header::PAYMENT_SIGNATURE, text),
        header::PAYMENT_RESPONSE => by::<SettleResponse>(header::PAYMENT_RESPONSE, text),
        other => panic!("{other}"),
    }
}

#[test]
fn headers_read_and_write_byte_for_byte() {
    for vector in list("headers") {
        let (name, text) = (vector["header"].as_str().unwrap(), vector["text"].as_str().unwrap());
        let (object, written) = read(name, text).unwrap();
        assert_eq!(object, vector["object"], "{}", vector["name"]);
        assert_eq!(written, text, "{}", vector["name"]);
    }
}

#[test]
fn what_newer_and_laxer_writers_send_is_read() {
    for vector in list("tolerated") {
        let (name, text) = (vector["header"].as_str().unwrap(), vector["text"].as_str().unwrap());
        assert_eq!(read(name, text).unwrap().0, vector["object"], "{}", vector["name"]);
    }
}

#[test]
fn what_is_no_payment_header_is_refused() {
    for vector in list("refused") {
        let (name, text) = (vector["header"].as_str().unwrap(), vector["text"].as_str().unwrap());
        assert!(read(name, text).is_err(), "{}", vector["name"]);
    }
}
