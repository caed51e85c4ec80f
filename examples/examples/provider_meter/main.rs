//! A provider that serves its WebSocket itself and meters it in process: no proxy in front, no facilitator beside it.
//!
//! `cargo run --release -p tollwire-examples --example provider_meter [-- --demo]`
//!
//! A feed of ticks at a tenth of a cent per message. Sessions are sold by the gate (`shop.rs`: dev chain, play money), kept
//! in an embedded ledger, and used up message by message by `tollwire-middleware-meter`. An agent in the same process buys
//! ten messages, is ended with 4008, tops up, and goes on until its budget is spent; then the books are printed. With
//! `--demo` that is all; without it the provider serves on. `LISTEN` is where (a free port of this machine), `LEDGER` the
//! ledger's file (one that is removed at the end).
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

mod agent;
mod shop;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::StatusCode;
use shop::{FEED, Shop, file};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tollwire_examples::handshake::{self, WebSocket};
use tollwire_examples::ticks;
use tollwire_middleware_axum::{FeedGate, PaidSession};
use tollwire_middleware_meter::{Held, Meter, MeterConfig, Opening, Refusal, Terms};
use tollwire_x402::close::CloseCode;
use tollwire_x402::{StreamId, Unit, header};

/// Time between two ticks.
const PERIOD: Duration = Duration::from_millis(100);

/// How long an agent may take to answer our Close.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How long streams may take to tell the ledger what they used, when the provider ends.
const DRAIN: Duration = Duration::from_secs(5);

/// What the handler needs.
#[derive(Clone)]
struct Provider {
    gate: FeedGate,
    meter: Meter,
    shop: Arc<Shop>,
}

impl FromRef<Provider> for FeedGate {
    fn from_ref(provider: &Provider) -> Self {
        provider.gate.clone()
    }
}

/// The feed. Whoever gets here has a session; whether it has a unit left the ledger says.
async fn stream(
    PaidSession(session): PaidSession,
    State(provider): State<Provider>,
    request: Request,
) -> Response {
    let stream = match named(&request) {
        Some(stream) => stream,
        None => match shop::fresh_stream_id() {
            Ok(stream) => stream,
            Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    };
    let terms = Terms { unit: Unit::Message, max_stream: Duration::from_secs(86_400), grace: Duration::ZERO };
    // Before the upgrade is answered, so that a refusal is an HTTP answer.
    match provider.meter.open(Opening::new(session.session, stream, session.feed, terms)).await {
        Ok(held) => handshake::accept(request, |socket| send_ticks(held, socket)).map(Body::new),
        Err(refusal) => refused(&provider.shop, &refusal).await,
    }
}

/// The agent's own name for the stream, by which it can open the same one again without paying twice.
fn named(request: &Request) -> Option<StreamId> {
    request.headers().get(header::TOLLWIRE_STREAM)?.to_str().ok()?.parse().ok()
}

async fn refused(shop: &Shop, refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Exhausted { .. } | Refusal::Expired => StatusCode::FORBIDDEN,
        Refusal::Revoked | Refusal::Closed | Refusal::Unknown => StatusCode::UNAUTHORIZED,
        Refusal::Conflict => StatusCode::CONFLICT,
        Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = (status, refusal.to_string()).into_response();
    if status == StatusCode::FORBIDDEN
        && let Some(bill) = shop.bill().await
    {
        // What a payment can cure says how to pay.
        answer.headers_mut().insert(header::PAYMENT_REQUIRED, bill);
    }
    answer
}

/// Ticks until the agent goes, or nothing is paid for any more.
async fn send_ticks(held: Held, mut socket: WebSocket) {
    // From here on the stream is paid for.
    let Ok(mut stream) = held.start().await else { return };
    let mut clock = interval(PERIOD);
    let mut tick = 0;
    let code = loop {
        tokio::select! {
            ended = stream.ended() => break Some(ended.code),
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                Some(Ok(_)) => {}
            },
            _ = clock.tick() => {
                tick += 1;
                let text = ticks::text(tick);
                // Returns when the message is paid for; then it is sent.
                match stream.message(text.len()).await {
                    Ok(()) => if socket.send(Message::text(text)).await.is_err() { break None },
                    Err(ended) => break Some(ended.code),
                }
            }
        }
    };
    if let Some(code) = code {
        close(socket, code).await;
    }
    // Tells the ledger what was used.
    stream.finish().await;
}

/// Says why, and waits for the agent's own Close.
async fn close(mut socket: WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.code().into(), reason: code.reason().into() };
    let goodbye = async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _late = timeout(CLOSE_WAIT, goodbye).await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let serve_on = std::env::args().nth(1).as_deref() != Some("--demo");
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:0".into());
    let listener = TcpListener::bind(listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let file = file();
    let shop = Arc::new(Shop::open(&url, file.path())?);
    let meter = Meter::new(shop.ledger(), MeterConfig::default());
    let gate = FeedGate::new(shop.verifier()?, FEED.parse()?);
    let provider = Provider { gate, meter: meter.clone(), shop: Arc::clone(&shop) };
    let app: Router = Router::new()
        .route(&format!("/feeds/{FEED}/ws"), get(stream))
        .with_state(provider)
        // Everything else is the gate's: bills, sessions, top-ups, keys.
        .fallback_service(shop.service());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    println!("selling ticks at $0.001 each on {url}, and serving them without a proxy");

    agent::run(&format!("{url}/feeds/{FEED}/session")).await?;
    shop.print_books().await?;
    if serve_on {
        println!(
            "\nstill on {url}; try, in another terminal:\n\
             \x20 see the bill    curl -i {url}/feeds/{FEED}/session\n\
             \x20 pay and stream  cargo run --release -p tollwire-examples --example agent -- {url}/feeds/{FEED}/session 30\n\
             Ctrl-C ends it."
        );
        tokio::signal::ctrl_c().await?;
    }
    meter.drain(DRAIN).await;
    server.abort();
    Ok(())
}
