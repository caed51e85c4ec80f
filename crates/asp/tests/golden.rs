//! The chain that two other implementations agree about: the bytes, hashes and signatures that Python's `rfc8785` and
//! `cryptography` make of it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

use tollwire_asp::{Draft, Envelope, Hash, Millis, Place, Sealed, Sender, SigningKey, seal};

const KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

const FIRST: &str = r#"{"content":{"body":{"proposalId":"prop_001","subject":"GPU compute procurement","terms":{"gpuType":"A100","pricePerHour":3.5,"quantity":4},"type":"terms"}},"integrity":{"previousHash":"sha256:0000000000000000000000000000000000000000000000000000000000000000"},"messageId":"019526a1-8f2a-7000-8000-000000000001","performative":"PROPOSE","sender":{"agentId":"agent://acme.com/procurement/alpha","orgId":"org_acme","trustScore":72.5},"sequenceNumber":1,"sessionId":"ase_abc123","timestamp":"2026-03-07T14:30:00.000Z","version":"asp/0.1"}"#;
const FIRST_HASH: &str = "sha256:973632995570452a89c1ace4d80976194b0181a83579a494653d694cfe8c2d7b";
const FIRST_SIGNATURE: &str = "ed25519:7d0daca26b6337128fcba142d21547bc7ca03ce88a9f95e0d51fe54d8b61936bb4e3a7410dbf41ba422c6c93832b29a4595b68495b584c7920edd032a816930b";

const SECOND: &str = r#"{"content":{"body":{"counterProposalId":"prop_002","final":false,"referenceId":"prop_001","rejectionReason":"Price below minimum threshold","subject":"Revised GPU compute terms","terms":{"gpuType":"A100","pricePerHour":4,"quantity":4}}},"integrity":{"previousHash":"sha256:973632995570452a89c1ace4d80976194b0181a83579a494653d694cfe8c2d7b"},"messageId":"019526a1-9a1b-7000-8000-000000000002","performative":"COUNTER","sender":{"agentId":"agent://cloudprime.io/gpu/beta","orgId":"org_cloudprime","trustScore":91},"sequenceNumber":2,"sessionId":"ase_abc123","timestamp":"2026-03-07T14:31:00.000Z","version":"asp/0.1"}"#;
const SECOND_HASH: &str = "sha256:adc15bca8c48bacdb137e073b2d0c795795a54cd9f027fe167ef215de55b7774";
const SECOND_SIGNATURE: &str = "ed25519:9ac246c88fd7c6e46e6387beb478655ce96b989874ad6802db60879374fb3be21daefe39652d0acda544d972ef96518f3e441fa0288b705542faed3313bf010b";

/// What the seed's client sends, and what its server's other agent says.
const PROPOSE: &str = r#"{
  "performative": "PROPOSE",
  "content": { "body": { "proposalId": "prop_001", "type": "terms", "subject": "GPU compute procurement",
    "terms": { "gpuType": "A100", "quantity": 4, "pricePerHour": 3.50 } } }
}"#;
const COUNTER: &str = r#"{
  "performative": "COUNTER",
  "content": { "body": { "referenceId": "prop_001", "rejectionReason": "Price below minimum threshold",
    "counterProposalId": "prop_002", "subject": "Revised GPU compute terms",
    "terms": { "gpuType": "A100", "quantity": 4, "pricePerHour": 4.00 }, "final": false } }
}"#;

fn sealed(draft: &str, sender: (&str, &str, &str), place: (u64, &str, &str), previous: Hash) -> Sealed {
    let sender = Sender {
        agent: sender.0.parse().unwrap(),
        org: sender.1.to_owned(),
        trust: sender.2.parse().unwrap(),
        proof: None,
    };
    let session = "ase_abc123".parse().unwrap();
    let at = Millis::read_exact(place.2).unwrap();
    let place = Place { session: &session, sequence: place.0, id: place.1.parse().unwrap(), at, previous };
    seal(&Draft::read(draft).unwrap(), &sender, &place, &SigningKey::from_hex(KEY).unwrap())
}

#[test]
fn two_messages_byte_for_byte() {
    let first = sealed(
        PROPOSE,
        ("agent://acme.com/procurement/alpha", "org_acme", "72.5"),
        (1, "019526a1-8f2a-7000-8000-000000000001", "2026-03-07T14:30:00.000Z"),
        Hash::GENESIS,
    );
    let second = sealed(
        COUNTER,
        ("agent://cloudprime.io/gpu/beta", "org_cloudprime", "91"),
        (2, "019526a1-9a1b-7000-8000-000000000002", "2026-03-07T14:31:00.000Z"),
        first.hash,
    );
    let key = SigningKey::from_hex(KEY).unwrap().verifying_key();
    assert_eq!(key.to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    for (made, signed, hash, signature) in
        [(first, FIRST, FIRST_HASH, FIRST_SIGNATURE), (second, SECOND, SECOND_HASH, SECOND_SIGNATURE)]
    {
        let read = Envelope::read(&made.text).unwrap();
        assert_eq!(read.signed(), signed);
        assert_eq!((made.hash.to_string().as_str(), read.hash), (hash, made.hash));
        assert_eq!(read.signature, signature);
        assert!(key.verifies(signed.as_bytes(), signature));
        assert_eq!(tollwire_asp::canonical::text(read.value()).unwrap(), made.text, "kept in canonical form");
    }
}
