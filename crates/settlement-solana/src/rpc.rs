//! Solana's RPC client, kept from telling what it knows: its errors quote the node's URL, which may hold an access key.

use crate::Error;
use serde_json::Value;
use solana_rpc_client::http_sender::HttpSender;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client::rpc_client::RpcClientConfig;
use solana_rpc_client_api::client_error::{Error as ClientError, ErrorKind};
use solana_rpc_client_api::request::{RpcError, RpcRequest};
use std::error::Error as StdError;
use std::time::Duration;

/// How much of a node's error text is kept, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// What nodes answer who want fewer requests.
const TOO_MANY: [i64; 2] = [-32_005, 429];

/// A connection pool to one node.
pub(crate) struct Rpc {
    client: RpcClient,
    timeout: Duration,
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer, or nothing that is JSON-RPC. The text names no URL.
    Silent(String),
    /// The node answered with an error.
    Answer {
        /// JSON-RPC's.
        code: i64,
        /// The node's own words.
        message: String,
    },
}

impl Rpc {
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Config { key: "rpc_url", reason: reason.to_owned() };
        let url: url::Url =
            url.parse().map_err(|_| wrong("not a URL; write such as https://node.example/key"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("write an http or https URL; others are not spoken"));
        }
        let sender = HttpSender::new_with_timeout(url, timeout);
        Ok(Self { client: RpcClient::new_sender(sender, RpcClientConfig::default()), timeout })
    }

    /// One call; `params` is an array. The method and the node's own words are all that a failure tells.
    pub(crate) async fn call(&self, request: RpcRequest, params: Value) -> Result<Value, Failure> {
        // The client itself waits and repeats when a node wants fewer requests; that ends with our patience.
        let call = self.client.send::<Value>(request, params);
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(|error| discreet(request, &error)),
            Err(_elapsed) => Err(Failure::Silent(format!("{request}: no answer within {:?}", self.timeout))),
        }
    }
}

/// What may be said of a client's error.
fn discreet(request: RpcRequest, error: &ClientError) -> Failure {
    let what = match error.kind() {
        ErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => {
            let message: String = message.chars().take(TEXT_CHARS_MAX).collect();
            if TOO_MANY.contains(code) {
                return Failure::Silent(format!("{request}: the node wants fewer requests: {message}"));
            }
            return Failure::Answer { code: *code, message };
        }
        // The outer errors quote the URL, and so could a status; the innermost is the system's.
        ErrorKind::Reqwest(error) => match error.status() {
            Some(status) => format!("HTTP {}", status.as_u16()),
            None if error.is_timeout() => "no answer in time".to_owned(),
            None => innermost(error).unwrap_or_else(|| "no answer".to_owned()),
        },
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::RpcError(_) | ErrorKind::SerdeJson(_) => "an answer that is not JSON-RPC".to_owned(),
        ErrorKind::Middleware(_)
        | ErrorKind::SigningError(_)
        | ErrorKind::TransactionError(_)
        | ErrorKind::Custom(_) => "no answer".to_owned(),
    };
    Failure::Silent(format!("{request}: {what}"))
}

/// The innermost cause, if there is one.
fn innermost(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_urls_are_refused_without_being_quoted() {
        for url in ["", "node.example/secret", "ws://node.example/secret", "http://"] {
            let error = Rpc::new(url, Duration::from_secs(1)).err().unwrap().to_string();
            assert!(error.starts_with("rpc_url: ") && !error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_dead_node_is_silent_and_its_url_unsaid() {
        let rpc = Rpc::new("http://name:secret-word@127.0.0.1:1/secret-key?secret", Duration::from_secs(5))
            .unwrap();
        let Failure::Silent(text) = rpc.call(RpcRequest::GetSlot, json!([])).await.unwrap_err() else {
            panic!("nobody listens there")
        };
        assert!(text.starts_with("getSlot: ") && !text.contains("secret"), "{text}");
    }
}
