//! JSON-RPC over HTTP/1.1, one connection per call: enough for a test, and no HTTP client to build.

use crate::Error;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one call may take.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn call(address: SocketAddr, method: &str, params: Value) -> Result<Value, Error> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let exchange = tokio::time::timeout(WITHIN, exchange(address, &body)).await;
    let late =
        |_elapsed| Error::Timeout { what: method.into(), within: WITHIN, output: "no answer".to_owned() };
    let answer = exchange.map_err(late)?.map_err(Error::io(method))?;
    let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| wrong(method, error))?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(wrong(method, answer.get("error").unwrap_or(&Value::Null))),
    }
}

/// Hands over a request as it is; `None` if the node does not answer it.
pub(crate) async fn forward(address: SocketAddr, body: &str) -> Option<Value> {
    let answer = tokio::time::timeout(WITHIN, exchange(address, body)).await.ok()?.ok()?;
    serde_json::from_slice(&answer).ok()
}

async fn exchange(address: SocketAddr, body: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = end.and_then(|end| answer.get(end.saturating_add(4)..));
    body.map(<[u8]>::to_vec).ok_or_else(|| std::io::Error::other("the answer has no body"))
}

pub(crate) fn wrong(method: &str, message: impl std::fmt::Display) -> Error {
    Error::Rpc { method: method.into(), message: message.to_string() }
}

pub(crate) fn text(method: &str, value: &Value) -> Result<String, Error> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(method, format!("expected text, got {value}")))
}

pub(crate) fn bytes(method: &str, value: &Value) -> Result<Vec<u8>, Error> {
    let text = text(method, value)?;
    hex::decode(text.trim_start_matches("0x")).map_err(|error| wrong(method, error))
}

/// A JSON-RPC quantity (`0x1f`) that fits 64 bits.
pub(crate) fn quantity(method: &str, value: &Value) -> Result<u64, Error> {
    let text = text(method, value)?;
    u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|error| wrong(method, error))
}
