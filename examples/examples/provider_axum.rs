//! A provider with axum: naming `PaidSession` among a handler's arguments gates the handler.
//!
//! `cargo run -p tollwire-examples --example provider_axum`; settings in the package's README.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tollwire_examples::settings::Settings;
use tollwire_examples::{handshake, ticks};
use tollwire_middleware_axum::{FeedGate, PaidSession, PreAuthLayer, Verifier};

/// The feed. Whoever gets here has paid.
async fn stream(PaidSession(session): PaidSession, request: Request) -> Response {
    println!("{} opens {}", session.payer, session.feed);
    handshake::accept(request, ticks::serve).map(Body::new)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env()?;

    // The facilitator's public keys: fetched now, refreshed in the background, never on the way of a request.
    let verifier = Verifier::builder(&settings.facilitator).accept(settings.accept).connect().await?;

    // Agents pay at GET /feeds/{feed}/session.
    let pre_auth = PreAuthLayer::new(&settings.facilitator, settings.feed.clone(), &settings.wallet)?
        .on_session(
            |purchase| async move { println!("sold {} for {}", purchase.session, purchase.deposited) },
        );

    let app: Router = Router::new()
        .route("/stream", get(stream))
        .layer(pre_auth)
        .with_state(FeedGate::new(verifier, settings.feed));

    let listener = TcpListener::bind(settings.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
