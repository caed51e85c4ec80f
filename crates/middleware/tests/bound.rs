//! Session tokens that are bound to an agent's key.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod support;

use http::Request;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{Facilitator, PAYER, URL, now};
use tollwire_middleware::{Accept, FeedGate, Verifier, VerifyError};
use tollwire_session::dpop::{self, DpopKey};
use tollwire_session::{Algorithm, Claims, Error};
use tollwire_x402::FeedId;

const DOOR: &str = "wss://feeds.example/ws/ticks";

struct World {
    facilitator: Facilitator,
    key: DpopKey,
    verifier: Verifier,
    now: Arc<AtomicU64>,
}

impl World {
    fn new(accept: Accept) -> Self {
        let facilitator = Facilitator::new();
        let (now, seen) = {
            let now = Arc::new(AtomicU64::new(now()));
            (now.clone(), now)
        };
        let builder = Verifier::builder(URL).accept(accept).clock(move || seen.load(Ordering::SeqCst));
        let verifier = builder.jwks_json(&facilitator.jwks).unwrap();
        Self { facilitator, key: DpopKey::generate(Algorithm::Es256).unwrap(), verifier, now }
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// A session token bound to the agent's key.
    fn token(&self) -> String {
        let claims = Claims { jkt: Some(self.key.jkt().to_owned()), ..Facilitator::session_claims("ticks") };
        self.facilitator.issuer.issue(&claims).unwrap()
    }

    fn proof(&self, token: &str, jti: &str) -> String {
        let request = dpop::Request::new("GET", DOOR).with_token(token);
        self.key.prove(&request, self.now(), jti).unwrap()
    }

    fn open(&self, token: &str, proof: &str) -> Result<String, VerifyError> {
        self.verifier.verify_bound(token, &ticks(), proof, "GET", DOOR).map(|context| context.payer)
    }
}

fn ticks() -> FeedId {
    "ticks".parse().unwrap()
}

#[test]
fn a_stolen_token_is_of_no_use_without_its_key() {
    let world = World::new(Accept::SessionTokens);
    let token = world.token();
    let stolen = world.verifier.verify_session_token(&token, &ticks());
    assert_eq!(stolen, Err(VerifyError::ProofRequired), "not a bearer token");
    let thief = DpopKey::generate(Algorithm::Es256).unwrap();
    let request = dpop::Request::new("GET", DOOR).with_token(&token);
    let proof = thief.prove(&request, world.now(), "a").unwrap();
    assert_eq!(world.open(&token, &proof), Err(VerifyError::Proof(dpop::Error::Binding)));
    assert_eq!(world.open(&token, ""), Err(VerifyError::Proof(dpop::Error::Malformed)));
    assert_eq!(world.open(&token, &world.proof(&token, "a")).as_deref(), Ok(PAYER));
}

#[test]
fn a_proof_admits_once_for_its_token_request_and_minute() {
    let world = World::new(Accept::SessionTokens);
    let (token, start) = (world.token(), world.now());
    let proof = world.proof(&token, "a");
    let elsewhere =
        world.verifier.verify_bound(&token, &ticks(), &proof, "GET", "wss://feeds.example/ws/orders");
    assert_eq!(elsewhere, Err(VerifyError::Proof(dpop::Error::Url)));
    let other = world.verifier.verify_bound(&token, &ticks(), &proof, "POST", DOOR);
    assert_eq!(other, Err(VerifyError::Proof(dpop::Error::Method)));
    assert!(world.open(&token, &proof).is_ok(), "refusals burn nothing");
    for secs in [0, 1, 59, 60] {
        world.now.store(start + secs, Ordering::SeqCst);
        assert_eq!(world.open(&token, &proof), Err(VerifyError::ProofReplayed), "{secs}");
    }
    assert!(world.open(&token, &world.proof(&token, "b")).is_ok());
    world.now.store(start + 61, Ordering::SeqCst);
    assert_eq!(world.open(&token, &proof), Err(VerifyError::Proof(dpop::Error::Expired)));
}

#[test]
fn the_token_must_hold_by_itself_and_be_bound() {
    let world = World::new(Accept::SessionTokens);
    let bearer = world.facilitator.session_token("ticks");
    assert_eq!(world.open(&bearer, &world.proof(&bearer, "a")), Err(VerifyError::NotBound));
    let jkt = Some(world.key.jkt().to_owned());
    let orders = Claims { jkt, ..Facilitator::session_claims("orders") };
    let orders = world.facilitator.issuer.issue(&orders).unwrap();
    let refused = world.open(&orders, &world.proof(&orders, "a"));
    assert_eq!(refused, Err(VerifyError::Token(Error::WrongFeed)));
    assert!(matches!(world.open("a.b.c", &world.proof("a.b.c", "a")), Err(VerifyError::Token(_))));
    let behind_proxy = World::new(Accept::StreamTokens);
    let token = behind_proxy.token();
    assert_eq!(behind_proxy.open(&token, &behind_proxy.proof(&token, "a")), Err(VerifyError::NotBound));
}

#[test]
fn a_feed_gate_takes_bound_tokens_where_it_knows_its_url() {
    let world = World::new(Accept::SessionTokens);
    let token = world.token();
    let head = |scheme: &str, proof: Option<String>| {
        let mut request =
            Request::get("/ws/ticks?control=v1").header(AUTHORIZATION, format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("DPoP", proof);
        }
        request.body(()).unwrap().into_parts().0
    };
    let gate = FeedGate::new(world.verifier.clone(), ticks());
    let proven = |jti| Some(world.proof(&token, jti));
    let refused = |gate: &FeedGate, scheme, proof| gate.admit(&mut head(scheme, proof)).unwrap_err();
    assert_eq!(refused(&gate, "DPoP", proven("a")), VerifyError::ProofRequired);
    let gate = gate.at(DOOR);
    assert_eq!(refused(&gate, "DPoP", None), VerifyError::ProofRequired);
    assert_eq!(
        refused(&gate, "Bearer", proven("a")),
        VerifyError::ProofRequired,
        "no way back to a bearer token"
    );
    let mut admitted = head("DPoP", proven("a"));
    assert_eq!(gate.admit(&mut admitted).unwrap().payer, PAYER);
    assert!(admitted.headers.is_empty(), "neither token nor proof is left: {admitted:?}");
    assert_eq!(refused(&gate, "DPoP", proven("a")), VerifyError::ProofReplayed);
}

#[test]
fn refusals_say_what_to_send() {
    for (error, challenge) in [
        (VerifyError::ProofRequired, r#"DPoP error="invalid_token", algs="#),
        (VerifyError::Proof(dpop::Error::Expired), r#"DPoP error="invalid_dpop_proof", algs="#),
        (VerifyError::ProofReplayed, r#"DPoP error="invalid_dpop_proof", algs="#),
    ] {
        let response = error.response();
        assert_eq!(response.status(), 401);
        let expected = format!("{challenge}\"{}\"", dpop::ALGORITHMS);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], expected.as_str(), "{error}");
    }
    let bearer = VerifyError::NotBound.response();
    assert_eq!(bearer.headers()[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
}
