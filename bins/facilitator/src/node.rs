//! A node that is running on the file's store: a store in a file belongs to one process, so commands ask that one.

use crate::config::File;
use crate::failure::Failure;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tollwire_ops::config::Loaded;

/// How long it may take to answer; a round of payouts reads all sessions.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A running node's admin listener.
pub(crate) struct RunningNode {
    address: SocketAddr,
    token: String,
}

impl RunningNode {
    /// The node that has the file's store open, if the store is a file, `[admin]` is configured and it listens there.
    pub(crate) async fn find(file: &Loaded<File>) -> Result<Option<Self>, Failure> {
        let Some(admin) = &file.value.admin else { return Ok(None) };
        if !file.value.store.resolve()?.starts_with("file:") {
            return Ok(None);
        }
        let mut address = admin.listen;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let connecting = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address));
        if !matches!(connecting.await, Ok(Ok(_))) {
            return Ok(None);
        }
        Ok(Some(Self { address, token: admin.token.read(&file.base)?.expose().to_owned() }))
    }

    /// What its admin API answers.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Value, Failure> {
        self.tell(method, path, Bytes::new()).await
    }

    /// What its admin API answers to a request with a body.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let fail = |why: String| Failure::Start(format!("the node at {}: {why}", self.address));
        let (status, body) = tokio::time::timeout(PATIENCE, self.exchange(method, path, body))
            .await
            .map_err(|_| fail("no answer in time".into()))?
            .map_err(fail)?;
        if !status.is_success() {
            return Err(fail(format!("{status} {}", String::from_utf8_lossy(&body))));
        }
        serde_json::from_slice(&body).map_err(|error| fail(error.to_string()))
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}
