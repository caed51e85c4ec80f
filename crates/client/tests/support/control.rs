//! The facilitator's half of `?control=v1`: what it says on a stream, and what it makes of the agent's payments.

use super::answers::{encoded_bill, take, token};
use super::{NOW, Seller, State};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tollwire_session::{Algorithm, ControlMessage, Issuer, ReceiptClaims, SigningKey};
use tollwire_x402::v2::PaymentPayload;

/// One thing that happens on a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    /// A message of the feed.
    Tick,
    /// A signed notice of a low balance, under this id.
    Low(&'static str),
    /// The same notice by somebody without the key.
    Forged(&'static str),
    /// The same notice, signed for another session.
    OfAnother(&'static str),
    /// The same notice, signed ten minutes ago.
    Stale(&'static str),
    /// Waits for a payment under this id, takes it, and answers.
    Paid(&'static str),
    /// Waits for a payment, takes it, and does not answer.
    PaidUnanswered(&'static str),
    /// Waits for a payment, takes it, and cuts the line.
    PaidAndCut(&'static str),
    /// Waits for a payment and refuses it with a new bill under the same id.
    Refused(&'static str),
    /// A usage receipt.
    Receipt,
    /// Nothing for this many milliseconds.
    Quiet(u64),
}

pub(super) async fn converse<S>(
    ws: &mut WebSocketStream<S>,
    seller: &Seller,
    jti: &str,
    lines: Vec<Line>,
) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for line in lines {
        let text = match line {
            Line::Tick => Some("tick".to_owned()),
            Line::Low(id) => Some(notice(&mut seller.state(), id, jti, NOW, None)),
            Line::Forged(id) => {
                let stranger = SigningKey::generate(Algorithm::EdDsa).unwrap();
                Some(notice(&mut seller.state(), id, jti, NOW, Some(&stranger)))
            }
            Line::OfAnother(id) => {
                let other = "99999999-0000-4000-8000-000000000000";
                Some(notice(&mut seller.state(), id, other, NOW, None))
            }
            Line::Stale(id) => Some(notice(&mut seller.state(), id, jti, NOW - 600, None)),
            Line::Paid(id) => {
                let payment = payment(ws, id).await?;
                Some(response(&mut seller.state(), id, jti, &payment))
            }
            Line::PaidUnanswered(id) | Line::PaidAndCut(id) => {
                let payment = payment(ws, id).await?;
                take(&mut seller.state(), &payment, "", Some(jti));
                if line == Line::PaidAndCut(id) {
                    return Err(Error::ConnectionClosed);
                }
                None
            }
            Line::Refused(id) => {
                payment(ws, id).await?;
                let mut state = seller.state();
                encoded_bill(&mut state);
                state.bill["error"] = json!("insufficient funds");
                let data = state.bill.to_string();
                Some(said(&state, "x402/payment-required", id, &data, jti, NOW, None))
            }
            Line::Receipt => {
                let state = seller.state();
                let data = json!({"receipt": receipt(&state, jti)}).to_string();
                Some(said(&state, "x402/receipt", "receipt-1", &data, jti, NOW, None))
            }
            Line::Quiet(millis) => {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                None
            }
        };
        if let Some(text) = text {
            ws.send(Message::text(text)).await?;
        }
    }
    Ok(())
}

/// The agent's next control message, which must pay in answer to this id.
async fn payment<S>(ws: &mut WebSocketStream<S>, id: &str) -> Result<PaymentPayload, Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        let message = ws.next().await.ok_or(Error::ConnectionClosed)??;
        let Message::Text(text) = message else { continue };
        assert!(text.starts_with(r#"{"type":"x402/payment","#) && text.len() <= 16 * 1024, "{text}");
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["id"], id);
        return Ok(serde_json::from_value(message["data"].clone()).unwrap());
    }
}

fn said(
    state: &State,
    kind: &str,
    id: &str,
    data: &str,
    jti: &str,
    at: u64,
    key: Option<&SigningKey>,
) -> String {
    let key = key.unwrap_or(&state.key).clone();
    let issuer = Issuer::new(key, state.base.clone(), state.base.clone());
    let message = ControlMessage { kind, id: Some(id), data };
    let jws = issuer.issue_control(&jti.parse().unwrap(), &message, at).unwrap();
    format!(r#"{{"type":"{kind}","id":"{id}","data":{data},"jws":"{jws}"}}"#)
}

fn notice(state: &mut State, id: &str, jti: &str, at: u64, key: Option<&SigningKey>) -> String {
    encoded_bill(state);
    state.bill["extensions"]["tollwire-session"]["info"]["unitsRemaining"] = json!(2);
    let data = state.bill.to_string();
    said(state, "x402/payment-required", id, &data, jti, at, key)
}

fn response(state: &mut State, id: &str, jti: &str, payment: &PaymentPayload) -> String {
    // Within a stream there is no claim: the quote is the proof.
    take(state, payment, "", Some(jti));
    let info = json!({
        "unitsRemaining": state.units[jti], "deposited": "$0.20", "token": token(state, jti),
        "expiresAt": "2027-01-16T08:00:00Z", "receipt": receipt(state, jti),
    });
    let data = json!({
        "success": true, "transaction": "0xabcd", "network": "eip155:84532",
        "extensions": {"tollwire-session": {"info": info}},
    });
    said(state, "x402/payment-response", id, &data.to_string(), jti, NOW, None)
}

fn receipt(state: &State, jti: &str) -> String {
    let claims = ReceiptClaims {
        iss: state.base.clone(),
        sub: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A".into(),
        jti: jti.parse().unwrap(),
        feed: "ticks".parse().unwrap(),
        unit: "message".parse().unwrap(),
        network: "eip155:84532".parse().unwrap(),
        chain: "base-sepolia".into(),
        bought: 10,
        used: 3,
        refunded: 0,
        remaining: 7,
        amount: "0.10".parse().unwrap(),
        used_amount: "0.03".parse().unwrap(),
        from: NOW - 60,
        to: NOW,
        iat: NOW,
        is_final: false,
    };
    Issuer::new(state.key.clone(), state.base.clone(), state.base.clone()).issue_receipt(&claims).unwrap()
}
