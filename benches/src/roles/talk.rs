//! One question after the other, each timed: over a messenger to somebody who answers, over a broker to an API, or to the
//! API itself.

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::arguments::{optional, value};
use crate::{Failure, say};

type Socket = WebSocketStream<TcpStream>;

/// What is said, 64 bytes of it.
const WORDS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

/// Asks `--count` times the way `--way` says, and prints how long each took, in nanoseconds.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address: SocketAddr = value(arguments, "address")?;
    let count: usize = value(arguments, "count")?;
    let token = |name: &str| -> Result<String, Failure> {
        let file = optional(arguments, name).ok_or("a token is missing")?;
        Ok(fs::read_to_string(file)?.trim().to_owned())
    };
    let times = match optional(arguments, "way").unwrap_or_default() {
        "bridge" => bridge(address, &token("app")?, &token("agent")?, count).await?,
        "nats" => nats(address, count).await?,
        "echo" => echo(address, count).await?,
        "call" => call(address, count).await?,
        "http" => http(address, count).await?,
        other => return Err(format!("no way {other}").into()),
    };
    let texts: Vec<String> = times.iter().map(u64::to_string).collect();
    say(&format!("times {}", texts.join(" ")));
    Ok(())
}

async fn open(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Socket, Failure> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    }
    Ok(client_async(request, socket).await?.0)
}

async fn next(socket: &mut Socket) -> Result<Message, Failure> {
    Ok(socket.next().await.ok_or("a socket ended")??)
}

fn since(begun: Instant) -> Result<u64, Failure> {
    Ok(u64::try_from(begun.elapsed().as_nanos())?)
}

/// An app sends an event, an agent replies to it.
async fn bridge(address: SocketAddr, app: &str, agent: &str, count: usize) -> Result<Vec<u64>, Failure> {
    let mut agent = open(address, "/v1/ws/agent", Some(agent)).await?;
    let mut app = open(address, "/v1/ws/app", Some(app)).await?;
    let answering = tokio::spawn(async move {
        while let Some(Ok(message)) = agent.next().await {
            let Message::Text(text) = message else { continue };
            // What else has an event's id tells of a reply that was taken.
            let reply = match event_id(&text) {
                Some(id) if text.contains(r#""type":"event""#) => {
                    format!(r#"{{"type":"reply","event_id":"{id}","content":"{WORDS}","done":true}}"#)
                }
                _ if text.contains(r#""type":"ping""#) => r#"{"type":"pong"}"#.to_owned(),
                _ => continue,
            };
            if agent.send(Message::text(reply)).await.is_err() {
                return;
            }
        }
    });
    let event = format!(r#"{{"type":"event","agent_id":"bench","thread_id":"t","payload":"{WORDS}"}}"#);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        app.send(Message::text(event.clone())).await?;
        let mut accepted = None;
        loop {
            let Message::Text(text) = next(&mut app).await? else { continue };
            if text.contains(r#""type":"accepted""#) {
                accepted = event_id(&text).map(str::to_owned);
            }
            // Replies of an earlier round, which no pong has confirmed, come again first.
            if text.contains(r#""type":"reply""#)
                && accepted.is_some()
                && event_id(&text) == accepted.as_deref()
            {
                break;
            }
            if text.contains(r#""type":"error""#) {
                return Err(text.to_string().into());
            }
        }
        times.push(since(begun)?);
    }
    answering.abort();
    Ok(times)
}

fn event_id(frame: &str) -> Option<&str> {
    frame.split_once(r#""event_id":""#)?.1.split('"').next()
}

/// One client publishes a request, another its reply.
async fn nats(address: SocketAddr, count: usize) -> Result<Vec<u64>, Failure> {
    let hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"bench\",\"version\":\"1\"}\r\n";
    let mut service = open(address, "/", None).await?;
    let mut asking = open(address, "/", None).await?;
    service.send(Message::binary(format!("{hello}SUB service 1\r\nPING\r\n"))).await?;
    asking.send(Message::binary(format!("{hello}SUB inbox 1\r\nPING\r\n"))).await?;
    for socket in [&mut service, &mut asking] {
        while !next(socket).await?.into_data().ends_with(b"PONG\r\n") {}
    }
    let reply = format!("PUB inbox {}\r\n{WORDS}\r\n", WORDS.len());
    let answering = tokio::spawn(async move {
        while let Some(Ok(message)) = service.next().await {
            if message.into_data().starts_with(b"MSG")
                && service.send(Message::binary(reply.clone())).await.is_err()
            {
                return;
            }
        }
    });
    let request = format!("PUB service inbox {}\r\n{WORDS}\r\n", WORDS.len());
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        asking.send(Message::binary(request.clone())).await?;
        while !next(&mut asking).await?.into_data().starts_with(b"MSG") {}
        times.push(since(begun)?);
    }
    answering.abort();
    Ok(times)
}

async fn echo(address: SocketAddr, count: usize) -> Result<Vec<u64>, Failure> {
    let mut socket = open(address, "/", None).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        socket.send(Message::text(WORDS)).await?;
        next(&mut socket).await?;
        times.push(since(begun)?);
    }
    Ok(times)
}

/// `relay.call`, over one socket.
async fn call(address: SocketAddr, count: usize) -> Result<Vec<u64>, Failure> {
    let mut socket = open(address, "/api/ws/relay", None).await?;
    let envelope = r#"{"id":1,"method":"relay.call","params":{"apiId":"demo","path":"/answer"}}"#;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        socket.send(Message::text(envelope)).await?;
        loop {
            let Message::Text(text) = next(&mut socket).await? else { continue };
            if text.contains(r#""result":{"answer":42}"#) {
                break;
            }
            return Err(text.to_string().into());
        }
        times.push(since(begun)?);
    }
    Ok(times)
}

/// The API itself, over one connection that is kept.
async fn http(address: SocketAddr, count: usize) -> Result<Vec<u64>, Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let request = Request::get(format!("http://{address}/answer")).body(Full::default())?;
        let body = client.request(request).await?.into_body().collect().await?.to_bytes();
        if body.as_ref() != br#"{"answer":42}"# {
            return Err("the API answered something else".into());
        }
        times.push(since(begun)?);
    }
    Ok(times)
}
