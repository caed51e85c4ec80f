//! What an agent sees before it pays.

use super::{Story, demo};
use crate::failure::Failure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollwire_x402::header;
use tollwire_x402::v2::PaymentRequired;
use url::Url;

/// Asks without paying and shows the answer.
pub(super) async fn show(story: &Story, base: &Url, path: &str) -> Result<(), Failure> {
    let authority = base.authority();
    let mut socket = TcpStream::connect(authority).await.map_err(demo)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.map_err(demo)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.map_err(demo)?;
    let mut lines = answer.lines();
    let status = lines.next().unwrap_or_default();
    story.tell("agent", format!("GET {path}"));
    if !status.contains(" 402 ") {
        return Err(Failure::Demo(format!("an unpaid request was answered with {status}")));
    }
    let value = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case(header::PAYMENT_REQUIRED));
    let (_, value) =
        value.ok_or_else(|| Failure::Demo("the 402 carries no PAYMENT-REQUIRED header".into()))?;
    let bill: PaymentRequired = header::decode(header::PAYMENT_REQUIRED, value.as_bytes()).map_err(demo)?;
    story.tell("facilitator", format!("402 Payment Required, {} offer(s):", bill.accepts.len()));
    for offer in &bill.accepts {
        story.tell(
            "",
            format!(
                "{} USDC on {} to {}, scheme {}",
                offer.amount, offer.network, offer.pay_to, offer.scheme
            ),
        );
    }
    Ok(())
}
