use super::*;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::{WebSocketStream, client_async};

const WITHIN: Duration = Duration::from_secs(10);

async fn open(feed: &SampleFeed) -> Result<WebSocketStream<TcpStream>, WsError> {
    let stream = TcpStream::connect(feed.address()).await.unwrap();
    client_async(feed.url("/stream?a=1"), stream).await.map(|(socket, _)| socket)
}

#[tokio::test]
async fn ticks_count_up_and_the_request_is_remembered() {
    let feed = SampleFeed::start(Mode::Ticks(Duration::from_millis(1))).await.unwrap();
    let mut socket = open(&feed).await.unwrap();
    for expected in [r#"{"tick":1}"#, r#"{"tick":2}"#] {
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap().as_str(), expected);
    }
    let requests = feed.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].target, "/stream?a=1");
    assert_eq!(requests[0].header("upgrade"), Some("websocket"));
    drop(socket);
    feed.wait_for(|counts| counts.ended == 1 && counts.open == 0, WITHIN).await.unwrap();
}

#[tokio::test]
async fn echoes_and_closes_as_scripted() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let mut socket = open(&feed).await.unwrap();
    socket.send(Message::binary(vec![0, 255])).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![0, 255]));

    feed.set_mode(Mode::Script(vec![Message::text("last")], Some((4321, "enough".into()))));
    let mut socket = open(&feed).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("last"));
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!("a close frame") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4321, "enough"));
}

#[tokio::test]
async fn misbehaves_as_told() {
    let feed = SampleFeed::start(Mode::RefuseUpgrade(503)).await.unwrap();
    let Err(WsError::Http(response)) = open(&feed).await else { panic!("an HTTP answer") };
    assert_eq!(response.status(), 503);

    feed.set_mode(Mode::WrongAcceptKey);
    let error = open(&feed).await.unwrap_err().to_string();
    assert!(error.contains("Accept"), "{error}");

    feed.set_mode(Mode::CloseAtOnce(1012));
    let message = open(&feed).await.unwrap().next().await.unwrap().unwrap();
    assert!(matches!(message, Message::Close(Some(frame)) if u16::from(frame.code) == 1012));

    feed.set_mode(Mode::DropAtOnce);
    assert!(open(&feed).await.unwrap().next().await.unwrap().is_err());
}

#[tokio::test]
async fn stays_mute_or_hangs_up_after_the_request() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let feed = SampleFeed::start(Mode::HangUp).await.unwrap();
    let mut stream = TcpStream::connect(feed.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);

    feed.set_mode(Mode::NeverAnswer);
    let mut stream = TcpStream::connect(feed.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    feed.wait_for(|counts| counts.requests == 2, WITHIN).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 8])).await;
    assert!(answer.is_err(), "it must not answer");
}
