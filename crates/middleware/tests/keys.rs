//! Where keys come from, and that verifying never goes and gets them.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod support;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Facilitator, PAYER, Served, URL};
use tollwire_middleware::{Accept, Error, Verifier, VerifyError};
use tollwire_session::Error::UnknownKey;

/// A JWKS endpoint whose answer changes, and which counts.
#[derive(Clone)]
struct Jwks {
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Jwks {
    fn new(body: &str) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, body.to_owned())));
        Self { answer, asked: Arc::default() }
    }

    async fn serve(&self) -> Served {
        let this = self.clone();
        Served::start(service_fn(move |request: Request<_>| {
            let this = this.clone();
            async move {
                this.asked.fetch_add(1, Ordering::SeqCst);
                let (status, body) = this.answer.lock().unwrap().clone();
                let known = request.uri().path() == "/.well-known/jwks.json";
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = if known { status } else { StatusCode::NOT_FOUND };
                Ok::<_, Infallible>(response)
            }
        }))
        .await
    }

    fn answers(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it has been asked this often since `before`: the test's clock is the network.
    async fn asked_again(&self, times: usize) {
        let goal = self.asked() + times;
        while self.asked() < goal {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn connect(server: &Served) -> Result<Verifier, Error> {
    Verifier::builder(URL)
        .accept(Accept::SessionTokens)
        .refresh_every(Duration::from_millis(100))
        .patience(Duration::ZERO)
        .jwks_url(&server.url("/.well-known/jwks.json"))
        .await
}

#[test]
fn from_a_text_without_a_runtime() {
    // No runtime, so no network, no timer and no task: verifying is a computation.
    let facilitator = Facilitator::new();
    let verifier = Verifier::builder(URL).jwks_json(&facilitator.jwks).unwrap();
    let feed = "ticks".parse().unwrap();
    let context = verifier.verify_session_token(&facilitator.stream_token("ticks", 1), &feed).unwrap();
    assert_eq!(context.payer, PAYER);
    for unusable in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA"}]}"#] {
        assert!(Verifier::builder(URL).jwks_json(unusable).is_err(), "{unusable}");
    }
}

#[test]
fn from_a_file() {
    let facilitator = Facilitator::new();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(facilitator.jwks.as_bytes()).unwrap();
    let verifier = Verifier::builder(URL).jwks_file(file.path()).unwrap();
    let feed = "ticks".parse().unwrap();
    assert!(verifier.verify_session_token(&facilitator.stream_token("ticks", 1), &feed).is_ok());
    assert!(matches!(Verifier::builder(URL).jwks_file("/nonexistent"), Err(Error::File { .. })));
    file.write_all(&b" ".repeat(70_000)).unwrap();
    assert!(matches!(Verifier::builder(URL).jwks_file(file.path()), Err(Error::Keys(_))), "bounded");
}

#[test]
fn the_issuer_may_have_a_name_of_its_own() {
    let facilitator = Facilitator::new();
    let token = facilitator.stream_token("ticks", 1);
    let feed = "ticks".parse().unwrap();
    let builder = || Verifier::builder("https://feeds.example");
    let verifier = builder().jwks_json(&facilitator.jwks).unwrap();
    let refusal = verifier.verify_session_token(&token, &feed);
    assert_eq!(refusal, Err(VerifyError::Token(tollwire_session::Error::Issuer)));
    let verifier = builder().issuer(URL).jwks_json(&facilitator.jwks).unwrap();
    assert!(verifier.verify_session_token(&token, &feed).is_ok());
}

#[tokio::test]
async fn verifying_asks_nobody() {
    let facilitator = Facilitator::new();
    let jwks = Jwks::new(&facilitator.jwks);
    let server = jwks.serve().await;
    let builder = Verifier::builder(URL).accept(Accept::SessionTokens);
    let verifier = builder.jwks_url(&server.url("/.well-known/jwks.json")).await.unwrap();
    assert_eq!(jwks.asked(), 1);
    let feed = "ticks".parse().unwrap();
    let token = facilitator.session_token("ticks");
    let unknown = Facilitator::new().session_token("ticks");
    for _ in 0..1000 {
        assert!(verifier.verify_session_token(&token, &feed).is_ok());
        assert_eq!(verifier.verify_session_token(&unknown, &feed), Err(VerifyError::Token(UnknownKey)));
    }
    // Even a thousand unknown keys only hasten the next refresh, and not to now.
    assert_eq!(jwks.asked(), 1);
}

#[tokio::test]
async fn new_keys_are_fetched_and_the_known_ones_survive_failures() {
    let [old, new] = [Facilitator::new(), Facilitator::new()];
    let feed = "ticks".parse().unwrap();
    let jwks = Jwks::new(&old.jwks);
    let server = jwks.serve().await;
    let verifier = connect(&server).await.unwrap();
    let [old_token, new_token] = [&old, &new].map(|facilitator| facilitator.session_token("ticks"));

    let endless = "x".repeat(100_000);
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, new.jwks.as_str()),
        (StatusCode::OK, "not JSON"),
        (StatusCode::OK, r#"{"keys":[]}"#),
        (StatusCode::OK, &endless),
    ] {
        jwks.answers(status, body);
        // Once for the new answer, once more so that it has been digested.
        jwks.asked_again(2).await;
        assert!(verifier.verify_session_token(&old_token, &feed).is_ok(), "{status} {}", body.len());
        let unknown = Err(VerifyError::Token(UnknownKey));
        assert_eq!(verifier.verify_session_token(&new_token, &feed), unknown);
    }
    jwks.answers(StatusCode::OK, &new.jwks);
    jwks.asked_again(2).await;
    assert!(verifier.verify_session_token(&new_token, &feed).is_ok());
    assert_eq!(verifier.verify_session_token(&old_token, &feed), Err(VerifyError::Token(UnknownKey)));
}

#[tokio::test]
async fn a_start_without_keys_says_why() {
    let jwks = Jwks::new("{}");
    let server = jwks.serve().await;
    assert!(matches!(connect(&server).await, Err(Error::Keys(_))));
    jwks.answers(StatusCode::FORBIDDEN, "{}");
    assert!(matches!(connect(&server).await, Err(Error::Status(403))));
    let url = server.url("/other");
    let elsewhere = Verifier::builder(URL).patience(Duration::ZERO).jwks_url(&url).await;
    assert!(matches!(elsewhere, Err(Error::Status(404))));
    let gone = server.url("/.well-known/jwks.json");
    drop(server);
    let gone = Verifier::builder(URL).patience(Duration::ZERO).jwks_url(&gone).await;
    assert!(matches!(gone, Err(Error::Unreachable(_))), "{gone:?}");
    assert!(matches!(Verifier::builder("pay.example").connect().await, Err(Error::Url("public_url"))));
}

#[tokio::test]
async fn a_start_waits_for_a_facilitator_that_is_starting_too() {
    let facilitator = Facilitator::new();
    let jwks = Jwks::new(&facilitator.jwks);
    jwks.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    let server = jwks.serve().await;
    let url = server.url("/.well-known/jwks.json");
    let starting = tokio::spawn(async move { Verifier::builder(URL).jwks_url(&url).await });
    jwks.asked_again(1).await;
    jwks.answers(StatusCode::OK, &facilitator.jwks);
    let verifier = starting.await.unwrap().unwrap();
    let token = facilitator.stream_token("ticks", 1);
    assert!(verifier.verify_session_token(&token, &"ticks".parse().unwrap()).is_ok());
}

#[test]
fn one_verifier_is_installed_per_process() {
    let facilitator = Facilitator::new();
    let feed = "ticks".parse().unwrap();
    let token = facilitator.stream_token("ticks", 1);
    let early = tollwire_middleware::verify_session_token(&token, &feed);
    assert_eq!(early, Err(VerifyError::NotInstalled));
    let verifier = || Verifier::builder(URL).jwks_json(&facilitator.jwks).unwrap();
    tollwire_middleware::install(verifier()).unwrap();
    assert!(matches!(tollwire_middleware::install(verifier()), Err(Error::Installed)));
    assert!(tollwire_middleware::verify_session_token(&token, &feed).is_ok());
    let again = tollwire_middleware::verify_session_token(&token, &feed);
    assert_eq!(again, Err(VerifyError::Replayed));
}
