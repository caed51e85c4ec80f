//! What verifying costs per token, beside what josekit alone takes to take it apart and check its signature: `cargo xtask
//! sdks bench`. Prints the median of interleaved rounds as one JSON line, in microseconds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise, and prints"
)]

use josekit::jwk::Jwk;
use josekit::jws::{self, ES256, EdDSA, JwsVerifier};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tollwire_session::{Algorithm, KeySet, Verifier};
use tollwire_x402::FeedId;

const ROUNDS: usize = 15;
const TOKENS: u64 = 1_000;
/// The scheduler tells a thread's time by its ticks, and a token seen before takes less than a microsecond.
const TOKENS_AGAIN: u64 = 200_000;

fn main() {
    // `cargo test --benches` starts it too, and wants no numbers.
    if std::env::args().any(|argument| argument == "--bench") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/tokens.json");
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let (eddsa, es256) = (cost(&file, Algorithm::EdDsa), cost(&file, Algorithm::Es256));
        println!("{}", json!({"language": "rust", "library": "josekit", "eddsa": eddsa, "es256": es256}));
    }
}

fn cost(file: &Value, algorithm: Algorithm) -> Value {
    let name = format!("session, {}", algorithm.as_str());
    let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["name"] == name.as_str());
    let vector = vector.unwrap();
    let (token, now) = (vector["token"].as_str().unwrap(), vector["now"].as_u64().unwrap());
    let feed: FeedId = vector["feed"].as_str().unwrap().parse().unwrap();
    let [issuer, audience] = ["issuer", "audience"].map(|name| file[name].as_str().unwrap().to_owned());
    let keys = KeySet::from_jwks(&file["jwks"].to_string()).unwrap();
    let leeway = Duration::from_secs(file["leeway_secs"].as_u64().unwrap());
    let remembers = Verifier::new(keys, issuer, audience, leeway);
    let library = of_the_library(file, algorithm);
    let (mut ours, mut theirs, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        again.push(nanoseconds(TOKENS_AGAIN, || drop(remembers.verify_for(token, &feed, now).unwrap())));
    }
    // As if each token were seen for the first time.
    let forgets = remembers.with_cache_tokens(0);
    for _ in 0..ROUNDS {
        ours.push(nanoseconds(TOKENS, || drop(forgets.verify_for(token, &feed, now).unwrap())));
        theirs.push(nanoseconds(TOKENS, || drop(jws::deserialize_compact(token, library.as_ref()).unwrap())));
    }
    let [ours, theirs, again] = [ours, theirs, again].map(median);
    let number = |hundredths: u64| -> Value {
        serde_json::from_str(&format!("{}.{:02}", hundredths / 100, hundredths % 100)).unwrap()
    };
    json!({
        "ours_us": number(ours / 10), "library_us": number(theirs / 10), "ratio": number(ours * 100 / theirs),
        "seen_before_us": number(again / 10),
    })
}

/// josekit's own verifier, by the first key of this algorithm, which signed the vector.
fn of_the_library(file: &Value, algorithm: Algorithm) -> Box<dyn JwsVerifier> {
    let jwk = file["jwks"]["keys"].as_array().unwrap().iter().find(|jwk| jwk["alg"] == algorithm.as_str());
    let jwk = Jwk::from_bytes(jwk.unwrap().to_string()).unwrap();
    match algorithm {
        Algorithm::EdDsa => Box::new(EdDSA.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk).unwrap()),
    }
}

/// Nanoseconds of this thread's CPU time per call.
fn nanoseconds(calls: u64, call: impl Fn()) -> u64 {
    let began = on_cpu();
    (0..calls).for_each(|_| call());
    (on_cpu() - began) / calls
}

/// What the scheduler has given this thread, in nanoseconds; where it does not say, the time of day.
fn on_cpu() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let told = told.split(' ').next().and_then(|first| first.parse().ok());
    told.unwrap_or_else(|| BEGAN.elapsed().as_nanos().try_into().unwrap_or_default())
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
