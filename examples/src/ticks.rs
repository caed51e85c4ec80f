//! The feed: a price that moves four times a second.

use crate::handshake::WebSocket;
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

const PERIOD: Duration = Duration::from_millis(250);

/// Sends ticks until the agent goes.
pub async fn serve(mut socket: WebSocket) {
    let mut clock = interval(PERIOD);
    // A slow reader misses ticks instead of getting them all at once.
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for tick in 1_u64.. {
        tokio::select! {
            _ = clock.tick() => {
                if socket.send(Message::text(text(tick))).await.is_err() {
                    return;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// The tick of this number: a price in cents that wanders around 3,000.00 without a float or a random number.
pub fn text(tick: u64) -> String {
    let cents = 300_000 + tick.wrapping_mul(tick) % 997;
    format!(r#"{{"tick":{tick},"price":"{}.{:02}"}}"#, cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tick_is_json_with_a_price() {
        assert_eq!(super::text(1), r#"{"tick":1,"price":"3000.01"}"#);
        assert_eq!(super::text(31), r#"{"tick":31,"price":"3009.61"}"#);
    }
}
