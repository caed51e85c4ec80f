//! The shared vectors of tokens that are bound to a key, through the whole verifier.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use serde_json::Value;
use std::time::Duration;
use tollwire_middleware::{Accept, Verifier};

#[test]
fn every_bound_token_gives_its_result() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/tokens.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let vectors = file["bound"].as_array().unwrap();
    assert!(vectors.len() >= 18);
    for vector in vectors {
        let (name, now) = (text(vector, "name"), vector["now"].as_u64().unwrap());
        let verifier = Verifier::builder(&text(&file, "audience"))
            .issuer(&text(&file, "issuer"))
            .accept(Accept::SessionTokens)
            .leeway(Duration::from_secs(file["leeway_secs"].as_u64().unwrap()))
            .clock(move || now)
            .jwks_json(&file["jwks"].to_string())
            .unwrap();
        let [token, feed, proof, method, url] =
            ["token", "feed", "proof", "method", "url"].map(|name| text(vector, name));
        let feed = feed.parse().unwrap();
        let verify = || verifier.verify_bound(&token, &feed, &proof, &method, &url);
        let (result, status) =
            verify().map_or_else(|refused| (refused.name(), refused.status().as_u16()), |_| ("ok", 101));
        assert_eq!((result, status), (text(vector, "expect").as_str(), status_of(vector)), "{name}");
        if result == "ok" {
            assert_eq!(verify().unwrap_err().name(), "proof_replayed", "{name}");
        }
    }
}

fn status_of(vector: &Value) -> u16 {
    vector["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap()
}
