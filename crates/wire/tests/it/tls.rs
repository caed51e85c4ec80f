//! The same pump with TLS on either side.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tollwire_wire::{Control, End, Limits, Pump, Side, Transport};
use tollwire_x402::close::CloseCode;

use crate::common::{BINARY, Frame, Peer, noise, socket_pair, soon};

/// Both ends of a TLS connection: client, server.
async fn tls_pair() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = socket_pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) = tokio::join!(
        TlsConnector::from(Arc::new(client)).connect(name, near),
        TlsAcceptor::from(Arc::new(server)).accept(far)
    );
    (client.unwrap().into(), server.unwrap().into())
}

#[tokio::test]
async fn bytes_and_closes_pass_through_tls_on_both_sides() {
    let (agent, agent_side) = tls_pair().await;
    let (upstream_side, upstream) = tls_pair().await;
    let control = Control::new();
    let pump = Pump::new(
        Transport::Tls(Box::new(agent_side)),
        Bytes::new(),
        Transport::Tls(Box::new(upstream_side)),
        Bytes::new(),
        Limits::default(),
    );
    let pump = tokio::spawn(pump.run(control.clone()));
    let (mut agent, mut upstream) = (Peer::new(agent), Peer::new(upstream));
    let frame = Frame::new(BINARY, noise(3 << 20));
    soon(async {
        let (up, down) = (frame.masked(), frame.unmasked());
        let ((), got) = tokio::join!(agent.send(&up), upstream.exactly(up.len()));
        assert!(got == up);
        let ((), got) = tokio::join!(upstream.send(&down), agent.exactly(down.len()));
        assert!(got == down);
        control.close(CloseCode::Exhausted);
        assert_eq!(agent.frame().await.unwrap().close_code(), Some(4008));
        assert_eq!(agent.frame().await, None);
        assert_eq!(upstream.frame().await.unwrap().close_code(), Some(1000));
        agent.send(&Frame::close(4008, "").masked()).await;
        upstream.send(&Frame::close(1000, "").unmasked()).await;
        let report = pump.await.unwrap();
        assert_eq!((report.end, report.agent_got), (End::Requested, Some(4008)));
        assert_eq!((report.from_agent.messages, report.from_upstream.messages), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_tls_agent_that_stops_reading_does_not_stop_the_other_way() {
    let (agent, agent_side) = tls_pair().await;
    let (upstream, upstream_side) = socket_pair().await;
    let mut limits = Limits::default();
    limits.stall = std::time::Duration::from_secs(1);
    limits.close_wait = std::time::Duration::from_secs(1);
    let pump = Pump::new(
        Transport::Tls(Box::new(agent_side)),
        Bytes::new(),
        Transport::from(upstream_side),
        Bytes::new(),
        limits,
    );
    let pump = tokio::spawn(pump.run(Control::new()));
    let mut agent = Peer::new(agent);
    let (mut from_pump, mut to_pump) = upstream.into_split();
    let flood = tokio::spawn(async move {
        let frame = Frame::new(BINARY, vec![1; 1 << 20]).unmasked();
        while tokio::io::AsyncWriteExt::write_all(&mut to_pump, &frame).await.is_ok() {}
    });
    let frame = Frame::new(BINARY, noise(100_000)).masked();
    soon(async {
        agent.send(&frame).await;
        let mut got = vec![0; frame.len()];
        tokio::io::AsyncReadExt::read_exact(&mut from_pump, &mut got).await.unwrap();
        assert!(got == frame);
        assert_eq!(pump.await.unwrap().end, End::Stalled(Side::Agent));
        flood.await.unwrap();
    })
    .await;
}
