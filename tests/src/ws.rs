//! Opening WebSockets, and what they end with.

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// An open WebSocket.
pub struct Socket(pub WebSocketStream<TcpStream>);

/// A refused upgrade.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    pub headers: Box<HeaderMap>,
    pub body: String,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: u16,
    pub reason: String,
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a `ws://` URL with these headers.
pub async fn open(url: &str, headers: &[(&str, &str)]) -> Result<Socket, Refused> {
    open_with_answer(url, headers).await.map(|(socket, _)| socket)
}

/// Opens a `ws://` URL; also gives the 101's headers.
pub async fn open_with_answer(url: &str, headers: &[(&str, &str)]) -> Result<(Socket, HeaderMap), Refused> {
    attempt(url, headers).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Opens a `ws://` URL; the outer error means there was no answer.
pub async fn try_open(url: &str, headers: &[(&str, &str)]) -> Result<Result<Socket, Refused>, String> {
    attempt(url, headers).await.map(|answered| answered.map(|(socket, _)| socket))
}

async fn attempt(
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Result<(Socket, HeaderMap), Refused>, String> {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let port = request.uri().port_u16().unwrap();
    let opening = async {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
        match tokio_tungstenite::client_async(request, tcp).await {
            Ok((stream, answer)) => Ok(Ok((Socket(stream), answer.headers().clone()))),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                Ok(Err(Refused {
                    status: answer.status(),
                    headers: Box::new(answer.headers().clone()),
                    body,
                }))
            }
            Err(error) => Err(error.to_string()),
        }
    };
    tokio::time::timeout(PATIENCE, opening)
        .await
        .map_err(|_| "the upgrade was not answered in time".to_owned())?
}

impl Socket {
    /// The next data message.
    pub async fn next(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("no message in time");
            match message.expect("the stream ended").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Sends a message and waits for the same one.
    pub async fn echo(&mut self, message: Message) {
        self.send(message.clone()).await;
        assert_eq!(self.next().await, message);
    }

    /// Reads to the end, within a time, and says how it ended.
    pub async fn ended_within(&mut self, time: Duration) -> Ended {
        let reading = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Ended { code: frame.code.into(), reason: frame.reason.to_string() };
                    }
                    Some(Ok(Message::Close(None))) => return Ended { code: 1005, reason: String::new() },
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Ended { code: 1006, reason: String::new() },
                }
            }
        };
        tokio::time::timeout(time, reading).await.expect("the stream did not end in time")
    }

    /// Reads for a while, then drops the connection.
    pub async fn read_for(&mut self, time: Duration) {
        drop(tokio::time::timeout(time, async { while let Some(Ok(_)) = self.0.next().await {} }).await);
    }

    /// Closes and waits for the end.
    pub async fn close(mut self) {
        drop(self.0.close(None).await);
        self.ended_within(PATIENCE).await;
    }
}
