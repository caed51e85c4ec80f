//! The stream route: an upgrade for a unit, a few messages, a close.

use super::answers::{answer, encoded_bill, holder};
use super::control::converse;
use super::{Answer, EXHAUSTED, Seller, State, Upgrade};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};
use tollwire_x402::header;

type Refusal = http::Response<Full<Bytes>>;

pub(super) fn upgrade(seller: &Seller, request: Request<Incoming>) -> Answer {
    let key = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let (messages, close) = match admit(&mut seller.state(), &request)? {
        Ok(script) => script,
        Err(refusal) => return Ok(refusal),
    };
    let controlled = request.uri().query() == Some("control=v1");
    let jti = request.headers()["authorization"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let seller = seller.clone();
    tokio::spawn(async move {
        let io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut ws = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        let lines = if controlled { std::mem::take(&mut seller.state().lines) } else { Vec::new() };
        let messages = if lines.is_empty() { messages } else { 0 };
        if converse(&mut ws, &seller, &jti, lines).await.is_ok() {
            let _ = play(&mut ws, messages, close).await;
        }
    });
    Ok(answer(
        101,
        &json!(null),
        &[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", &key)],
    )
    .map(|_| Full::default()))
}

/// Whether the request opens a stream: how many messages it brings, and the close code. Outer error: cut the line.
fn admit(state: &mut State, request: &Request<Incoming>) -> std::io::Result<Result<(usize, u16), Refusal>> {
    let jti = holder(state, request, "/feeds/ticks/ws");
    let id = request.headers()[header::TOLLWIRE_STREAM].to_str().unwrap().to_owned();
    let fault = state.upgrades.pop_front();
    let problem = |kind: &str| json!({"type": format!("urn:tollwire:problem:{kind}")});
    match fault {
        Some(Upgrade::HeldElsewhere) => {
            let bill = encoded_bill(state);
            let headers = [(header::PAYMENT_REQUIRED, bill.as_str()), ("retry-after", "0")];
            return Ok(Err(answer(403, &problem("held-elsewhere"), &headers)));
        }
        Some(Upgrade::Expired) => return Ok(Err(answer(403, &problem("token-expired"), &[]))),
        Some(Upgrade::Busy) => {
            return Ok(Err(answer(503, &problem("too-many-streams"), &[("retry-after", "0")])));
        }
        Some(Upgrade::Upstream) => return Ok(Err(answer(502, &problem("upstream"), &[]))),
        Some(Upgrade::Lose) | None => {}
    }
    if !state.streams.contains(&id) {
        let units = state.units.get_mut(&jti).unwrap();
        if *units == 0 {
            if state.close_exhausted {
                return Ok(Ok((0, 4008)));
            }
            let bill = encoded_bill(state);
            return Ok(Err(answer(403, &problem("exhausted"), &[(header::PAYMENT_REQUIRED, &bill)])));
        }
        *units -= 1;
        state.streams.insert(id);
    }
    if fault == Some(Upgrade::Lose) {
        return Err(std::io::Error::other("lost"));
    }
    Ok(Ok((state.messages, state.close)))
}

async fn play<S>(ws: &mut WebSocketStream<S>, messages: usize, close: u16) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for number in 0..messages {
        ws.send(Message::text(format!("tick {number}"))).await?;
    }
    if close == 0 {
        return echo(ws).await;
    }
    let reason = if close == 4008 { EXHAUSTED } else { "bye" };
    ws.send(Message::Close(Some(CloseFrame { code: close.into(), reason: reason.into() }))).await?;
    while let Some(Ok(_)) = ws.next().await {}
    Ok(())
}

async fn echo<S>(ws: &mut WebSocketStream<S>) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}
