//! The published vector: what `@x402/svm` 2.27 makes of given keys, memo and blockhash, byte for byte.

use super::draft::{fee_payer, limits, mint, offer, payee, payer};
use serde_json::json;
use tollwire_exact::solana::{Address, Said, Transaction, Transfer, check};
use tollwire_x402::Usdc;

const VECTOR: &str = concat!(
    "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABkDsXCH87SUg7ttFCjlGqskdB3",
    "HOpXCWgOsvOemsl3+5gcShO1qPFbuKHiIhhI0ab/RlwM7T9R3WcrPQTE2skOgAIBBAgTmPYsbRpFfFG6aktfPb0vafypMhYhjciZfkFr0X2TyupK",
    "bGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIsa4T+VAWZkKbqIwjcZYhVrZWKZR4UVyYj9/rTk9uwE+wJwa1WOvT05wo9H+keYP/wmkenNjT3",
    "crGO32T+uRfu6DtELLORIVfxOpM9ATQoLQMrX/7NAaLb8bd5BgjfAC6nAwZGb+UhFzL/7K26csOb57yM5bvF9xJrLEObOkAAAAAFSlNamSkhBk0k",
    "6HFg2jh8fDW13bySu4HkH6hAQQVEjQbd9uHXZaGT2cvhRs7reawctIXtX1s3kTqM9YV+/wCpyV29u5s5tb9yxXaxLxIjPB/vcv+BhIj3ODTS8YLY",
    "lusEBQAFAiBOAAAFAAkDAQAAAAAAAAAHBAIEAwEKDBAnAAAAAAAABgYADXg0MDItdmVjdG9yLTEA",
);
const BLOCKHASH: &str = "EZ3rST5dvHmbanh75jc4PuLfV96vp9fEYBVeNk4FfM1k";
const MEMO: &str = "x402-vector-1";
const DIGEST: &str = "1f0974d039b47318180b481bf25bcf88ade95319078e9c6ba8f325ca6e8438be";

fn transfer() -> Transfer<'static> {
    let blockhash: Address = BLOCKHASH.parse().unwrap();
    let terms = Transfer::usdc(fee_payer().address(), payer().address(), payee(), mint(), 10_000);
    Transfer { blockhash: *blockhash.as_bytes(), memo: MEMO, ..terms }
}

#[test]
fn our_client_signs_the_official_clients_bytes() {
    let mut transaction = transfer().transaction().unwrap();
    transaction.sign(&payer()).unwrap();
    assert_eq!(transaction.to_base64(), VECTOR);
    assert_eq!(transaction.to_bytes().len(), 477);
    assert_eq!(hex::encode(transaction.digest()), DIGEST);
}

#[test]
fn the_vector_passes_every_check() {
    let mut offer = offer();
    offer.extra.as_mut().unwrap().insert("memo".into(), MEMO.into());
    let payload = json!({ "transaction": VECTOR });
    let checked = check(&offer, &payload, &limits()).unwrap();
    assert_eq!(checked.id.as_str(), format!("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1/{DIGEST}"));
    assert_eq!(checked.payer.to_string(), "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB");
    assert_eq!(checked.source.to_string(), "8EiF91LJfbatqHRY3k2jp8dwrFY3yDQeEovpMDZnpJiP");
    assert_eq!(checked.destination.to_string(), "f5xag9qZ5qmEkt2MDrBQZENh9QV1orw3UyrqAg5wTc3");
    assert_eq!((checked.amount, checked.fee), (Usdc::from_atomic(10_000).unwrap(), 10_001));
    let said = Said::read(&payload);
    assert_eq!((said.amount, said.destination), (Usdc::from_atomic(10_000), Some(checked.destination)));
    assert_eq!(said.memos, [MEMO]);
}

#[test]
fn our_signature_completes_it_and_changes_nothing_else() {
    let unsigned = Transaction::from_base64(VECTOR).unwrap();
    assert!(unsigned.verify_all_but_first().is_ok() && unsigned.verify().is_err());
    let mut signed = unsigned.clone();
    let signature = signed.sign(&fee_payer()).unwrap();
    assert!(signed.verify().is_ok());
    assert_eq!((signed.signature(), signed.digest()), (signature, unsigned.digest()));
    assert_eq!(Transaction::from_bytes(&signed.to_bytes()), Ok(signed.clone()));
    // Deterministic: however often it is signed, it is one transaction.
    let mut again = unsigned.clone();
    assert_eq!(again.sign(&fee_payer()), Ok(signature));
}

#[test]
fn a_payee_without_account_gets_one_only_on_demand() {
    let plain = transfer().transaction().unwrap();
    let creating = Transfer { create: true, ..transfer() }.transaction().unwrap();
    assert_eq!((plain.message().instructions.len(), creating.message().instructions.len()), (4, 5));
}
