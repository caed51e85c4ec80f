//! Public keys, from a file or a URL.

use crate::failure::Failure;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tollwire_session::{JWKS_BYTES_MAX, KeySet};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The keys at a URL, or else in a file.
pub(super) async fn read(place: &str) -> Result<KeySet, Failure> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return fetch(place).await;
    }
    let text =
        std::fs::read_to_string(place).map_err(|error| Failure::Receipt(format!("{place}: {error}")))?;
    parse(place, &text)
}

/// The keys at a URL.
pub(super) async fn fetch(url: &str) -> Result<KeySet, Failure> {
    let fail = |reason: String| Failure::Receipt(format!("no keys from {url}: {reason}"));
    let exchange = tokio::time::timeout(PATIENCE, get(url)).await;
    let body = exchange.map_err(|_| fail("no answer in time".into()))?.map_err(fail)?;
    parse(url, &String::from_utf8_lossy(&body))
}

async fn get(url: &str) -> Result<Bytes, String> {
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| error.to_string())?;
    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
    let request = Request::get(url).body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), JWKS_BYTES_MAX).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}

fn parse(place: &str, text: &str) -> Result<KeySet, Failure> {
    KeySet::from_jwks(text).map_err(|error| Failure::Receipt(format!("{place}: {error}")))
}
