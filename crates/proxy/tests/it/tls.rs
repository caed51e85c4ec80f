//! `wss://` upstreams.

use crate::agent::{next, opened, refused};
use crate::node::{Node, config, route};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_tungstenite::tungstenite::Message;

/// An echo behind TLS, and its certificate's authority.
async fn echo() -> (SocketAddr, String, JoinSet<()>) {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    // It would rather speak HTTP/2; a WebSocket by upgrade needs HTTP/1.1.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // A client that does not trust us hangs up here.
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let mut socket = tokio_tungstenite::accept_async(tls).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    socket.send(message).await.unwrap();
                }
            }
        }
    });
    (address, issued.cert.pem(), server)
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_configured_and_only_for_its_name() {
    let (address, authority, _server) = echo().await;
    let good = format!("wss://localhost:{}/", address.port());
    let untrusting = Node::start(route(&good)).await;
    let session = untrusting.fund(1).await;
    assert_eq!(refused(&untrusting, &session, "").await.0, 502);
    untrusting.settled(&session, 1, 0).await;

    let mut config = config();
    config.extra_roots_pem = vec![authority];
    let node = Node::on_new_ledger(route(&good), config).await;
    let session = node.fund(2).await;
    let mut socket = opened(&node, &session, "").await;
    socket.send(Message::text("sealed")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("sealed"));
    drop(socket);

    // The certificate is for localhost, not for its address.
    *node.route.lock().unwrap() = route(&format!("wss://{address}/"));
    assert_eq!(refused(&node, &session, "").await.0, 502);
    node.settled(&session, 1, 1).await;
}
