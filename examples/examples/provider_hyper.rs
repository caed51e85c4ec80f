//! A provider with hyper alone: `gate(service, verifier, feed)` lets only paid requests through.
//!
//! `cargo run -p tollwire-examples --example provider_hyper`; settings in the package's README.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;
use tollwire_examples::settings::Settings;
use tollwire_examples::{handshake, ticks};
use tollwire_middleware_hyper::{PreAuthLayer, SessionContext, Verifier, gate, pre_auth};

/// The feed. Whoever gets here has paid.
async fn stream(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(session) = request.extensions().get::<SessionContext>() {
        println!("{} opens {}", session.payer, session.feed);
    }
    Ok(handshake::accept(request, ticks::serve))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env()?;

    // The facilitator's public keys: fetched now, refreshed in the background, never on the way of a request.
    let verifier = Verifier::builder(&settings.facilitator).accept(settings.accept).connect().await?;

    // Agents pay at GET /feeds/{feed}/session.
    let layer = PreAuthLayer::new(&settings.facilitator, settings.feed.clone(), &settings.wallet)?
        .on_session(
            |purchase| async move { println!("sold {} for {}", purchase.session, purchase.deposited) },
        );

    let service = pre_auth(gate(service_fn(stream), verifier, settings.feed), layer);

    let listener = TcpListener::bind(settings.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(10))
            .serve_connection(TokioIo::new(connection), service.clone())
            .with_upgrades();
        tokio::spawn(async move {
            if let Err(error) = served.await {
                println!("connection: {error}");
            }
        });
    }
}
