//! The pump alone, behind the smallest hyper server that can upgrade: what the data path costs without the product.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tollwire_wire::{Control, Limits, Pump, Transport};

use crate::arguments::value;
use crate::{Failure, say};

/// Proxies `--port` to `--upstream` for ever.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, value::<u16>(arguments, "port")?));
    let upstream: SocketAddr = value(arguments, "upstream")?;
    let listener = TcpListener::bind(address).await?;
    say("listening");
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(move |request| open(request, upstream));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(Transport::from(socket)), service)
                .with_upgrades();
            if let Err(failure) = connection.await {
                say(&format!("pump: {failure}"));
            }
        });
    }
}

async fn open(
    mut request: Request<Incoming>,
    upstream: SocketAddr,
) -> Result<Response<Empty<Bytes>>, Failure> {
    let agent = hyper::upgrade::on(&mut request);
    let (answer, provider) = dial(&request, upstream).await?;
    let mut response = Response::new(Empty::new());
    *response.status_mut() = answer.0;
    *response.headers_mut() = answer.1;
    tokio::spawn(async move {
        if let (Ok(agent), Ok(provider)) = tokio::join!(agent, provider)
            && let (Some((agent, agent_ahead)), Some((provider, provider_ahead))) =
                (bare(agent), bare(provider))
        {
            Pump::new(agent, agent_ahead, provider, provider_ahead, Limits::default())
                .run(Control::new())
                .await;
        }
    });
    Ok(response)
}

async fn dial(
    request: &Request<Incoming>,
    upstream: SocketAddr,
) -> Result<((StatusCode, HeaderMap), OnUpgrade), Failure> {
    let socket = TcpStream::connect(upstream).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Transport::from(socket))).await?;
    tokio::spawn(connection.with_upgrades());
    let mut forwarded = Request::new(Empty::<Bytes>::new());
    *forwarded.uri_mut() = request.uri().clone();
    *forwarded.headers_mut() = request.headers().clone();
    forwarded.headers_mut().insert(header::HOST, upstream.to_string().parse()?);
    let mut response = sender.send_request(forwarded).await?;
    let answer = (response.status(), response.headers().clone());
    Ok((answer, hyper::upgrade::on(&mut response)))
}

/// The transport underneath an upgraded connection, and what was read ahead of it.
fn bare(upgraded: Upgraded) -> Option<(Transport, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Transport>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}
