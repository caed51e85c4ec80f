//! A plain HTTP API that answers at once.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::arguments::value;
use crate::{Failure, say};

/// Serves on `--port` for ever.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, value::<u16>(arguments, "port")?));
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let served =
                http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)).await;
            if let Err(failure) = served {
                say(&format!("api: {failure}"));
            }
        });
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut answer = Response::new(Full::new(Bytes::from_static(br#"{"answer":42}"#)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}
