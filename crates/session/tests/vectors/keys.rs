//! Test keys that RFCs print: known to everybody, so they are good for nothing but tests.

use crate::PrivateKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::alg::ec::EcKeyPair;
use josekit::jwk::alg::ed::EdKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use josekit::jws::{ES256, EdDSA, JwsSigner};
use serde_json::{Value, json};
use tollwire_session::{KeySet, SigningKey};

/// A key that tokens, real and forged, are signed with.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    source: &'static str,
    pem: String,
    signer: Box<dyn JwsSigner>,
}

impl Key {
    /// As the session crate sees it.
    pub(crate) fn signing(&self) -> SigningKey {
        SigningKey::from_pem(&self.pem).unwrap()
    }

    pub(crate) fn kid(&self) -> String {
        self.signing().kid().to_owned()
    }

    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        self.signer.sign(message.as_bytes()).unwrap()
    }

    /// True if signing the same text twice gives the same bytes.
    pub(crate) fn is_deterministic(&self) -> bool {
        self.signer.algorithm().name() == "EdDSA"
    }

    pub(crate) fn alg(&self) -> &str {
        self.signer.algorithm().name()
    }

    /// The public half, as a proof's header carries it.
    pub(crate) fn jwk(&self) -> Value {
        let set = KeySet::default().with(&self.signing()).jwks_json().unwrap();
        let mut jwk = serde_json::from_str::<Value>(&set).unwrap()["keys"][0].take();
        let members = jwk.as_object_mut().unwrap();
        members.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        jwk
    }

    pub(crate) fn published(&self) -> PrivateKey {
        PrivateKey { name: self.name.into(), source: self.source.into(), pem: self.pem.clone() }
    }
}

/// The keys by role. `current`, `next` and `es256` are in the key set; `foreign` is not. `holder` and `holder_es256` are
/// agents' own, and make DPoP proofs.
pub(crate) struct Keys {
    pub(crate) current: Key,
    pub(crate) next: Key,
    pub(crate) es256: Key,
    pub(crate) foreign: Key,
    pub(crate) holder: Key,
    pub(crate) holder_es256: Key,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            current: ed(
                "current",
                "RFC 8037 appendix A.1",
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            ),
            next: ed(
                "next",
                "RFC 8032 section 7.1 TEST 3",
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            ),
            es256: ec(
                "es256",
                "RFC 7515 appendix A.3",
                &json!({
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
                }),
            ),
            foreign: ed(
                "foreign",
                "RFC 8032 section 7.1 TEST 2",
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            ),
            holder: ed(
                "holder",
                "RFC 8032 section 7.1 TEST 1024",
                "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
            ),
            holder_es256: ec(
                "holder_es256",
                "RFC 7517 appendix A.2",
                &json!({
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                    "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
                }),
            ),
        }
    }

    pub(crate) fn all(&self) -> [&Key; 6] {
        [&self.current, &self.next, &self.es256, &self.foreign, &self.holder, &self.holder_es256]
    }
}

fn ed(name: &'static str, source: &'static str, seed_hex: &str) -> Key {
    let seed: Vec<u8> = (0..seed_hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&seed_hex[i..i + 2], 16).unwrap())
        .collect();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "d": URL_SAFE_NO_PAD.encode(seed) });
    let pair = EdKeyPair::from_jwk(&jwk_of(&jwk)).unwrap();
    let signer = EdDSA.signer_from_der(pair.to_der_private_key()).unwrap();
    Key { name, source, pem: pem(&pair), signer: Box::new(signer) }
}

fn ec(name: &'static str, source: &'static str, jwk: &Value) -> Key {
    let pair = EcKeyPair::from_jwk(&jwk_of(jwk)).unwrap();
    let signer = ES256.signer_from_der(pair.to_der_private_key()).unwrap();
    Key { name, source, pem: pem(&pair), signer: Box::new(signer) }
}

fn jwk_of(value: &Value) -> Jwk {
    Jwk::from_map(value.as_object().unwrap().clone()).unwrap()
}

fn pem(pair: &impl KeyPair) -> String {
    String::from_utf8(pair.to_pem_private_key()).unwrap().replace('\r', "")
}
