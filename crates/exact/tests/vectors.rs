//! `tests/vectors/evm.json`: what two other implementations compute, we compute.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use serde_json::Value;
use tollwire_exact::evm::{
    Authorization, Domain, Payload, PrivateKey, Signature, keccak256, recover_message,
};
use tollwire_x402::{Network, asset};

const FILE: &str = include_str!("../../../tests/vectors/evm.json");

fn vectors() -> Value {
    serde_json::from_str(FILE).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value[key].as_array().unwrap();
    assert!(!list.is_empty(), "{key}");
    list
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.strip_prefix("0x").unwrap()).unwrap()
}

fn domain(network: &str) -> Domain {
    Domain::usdc(network.parse::<Network>().unwrap()).unwrap()
}

#[test]
fn types_selectors_and_topics_hash_as_known() {
    let all = vectors();
    for key in ["type_hashes", "selectors", "topics"] {
        for vector in list(&all, key) {
            let (what, hash) = (text(vector, "text"), text(vector, "hash"));
            assert!(hex0x(&keccak256(what.as_bytes())).starts_with(hash), "{what}");
        }
    }
}

#[test]
fn usdc_domains_are_those_of_the_contracts() {
    for vector in list(&vectors(), "domains") {
        let domain = domain(text(vector, "network"));
        assert_eq!(domain.name, text(vector, "name"));
        assert_eq!(domain.version, text(vector, "version"));
        assert_eq!(domain.chain_id, vector["chainId"].as_u64().unwrap());
        assert_eq!(domain.contract.to_string(), text(vector, "verifyingContract"));
        // Legacy clients compare the offer's asset byte for byte.
        let network = text(vector, "network").parse().unwrap();
        assert_eq!(asset::usdc(network).unwrap().address, text(vector, "verifyingContract"));
        assert_eq!(hex0x(&domain.separator()), text(vector, "separator"));
    }
}

#[test]
fn authorizations_hash_sign_and_read_as_elsewhere() {
    for vector in list(&vectors(), "authorizations") {
        let domain = domain(text(vector, "network"));
        let key = PrivateKey::from_hex(text(vector, "private_key")).unwrap();
        let payload = Payload::parse(&vector["payload"]).unwrap();
        let authorization: &Authorization = &payload.authorization;
        assert_eq!(hex0x(&authorization.struct_hash()), text(vector, "struct_hash"));
        assert_eq!(hex0x(&authorization.digest(&domain)), text(vector, "digest"));
        // RFC 6979 is deterministic: the same signature, byte for byte.
        let signature = authorization.sign(&key, &domain).unwrap();
        assert_eq!(signature.to_string(), text(&vector["payload"], "signature"));
        assert_eq!(payload.recover(&domain), Ok(key.address()));
        assert_eq!(payload.id(&domain).as_str(), text(vector, "payment_id"));
        assert_eq!(Payload::new(authorization.clone(), &signature).to_json(), vector["payload"]);
    }
}

#[test]
fn messages_sign_and_recover_as_elsewhere() {
    for vector in list(&vectors(), "messages") {
        let message = text(vector, "text").as_bytes();
        let key = PrivateKey::from_hex(text(vector, "private_key")).unwrap();
        assert_eq!(key.sign_message(message).unwrap().to_string(), text(vector, "signature"));
        let signer = recover_message(message, &bytes(text(vector, "signature"))).unwrap();
        assert_eq!(signer.to_string(), text(vector, "address"));
        assert_ne!(recover_message(b"something else", &bytes(text(vector, "signature"))), Ok(signer));
    }
}

#[test]
fn only_strict_signatures_recover() {
    for vector in list(&vectors(), "signatures") {
        let digest: [u8; 32] = bytes(text(vector, "digest")).try_into().unwrap();
        let signer = Signature::from_bytes(&bytes(text(vector, "signature")))
            .and_then(|signature| signature.recover(&digest))
            .map(|signer| signer.to_string());
        assert_eq!(signer.ok().as_deref(), vector["signer"].as_str(), "{}", text(vector, "name"));
    }
}
