//! The same over TLS: `https` and `wss` with a certificate authority of one's own.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

mod support;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use support::{Seller, config, payer_with};
use tokio_rustls::TlsAcceptor;
use tollwire_client::{Error, Event, StreamClient};

async fn seller() -> (Seller, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Seller::serve(Some(TlsAcceptor::from(Arc::new(tls)))).await, made.cert.pem())
}

#[tokio::test]
async fn a_stream_is_bought_and_opened_over_tls() {
    let (seller, pem) = seller().await;
    let mut config = config();
    config.roots_pem = Some(pem);
    let mut stream = StreamClient::open(payer_with(config), &seller.url()).await.unwrap();
    assert!(stream.session().ws_url.starts_with("wss://"));
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Opened { .. })));
    assert!(matches!(stream.next().await.unwrap(), Some(Event::Message(_))));
}

#[tokio::test]
async fn an_unknown_certificate_is_not_trusted() {
    let (seller, _) = seller().await;
    let mut config = config();
    config.tries = 1;
    let error = payer_with(config).buy(&seller.url()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    assert_eq!(seller.state().paid_requests, 0);
}
