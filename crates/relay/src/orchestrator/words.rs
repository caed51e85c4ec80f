//! What brokers tell each other about people, and what is done when a key is not good any more.

use super::inner::Inner;
use super::people::Holder;
use super::say::{self, ErrorType};
use super::seats::{News, Socket};
use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tollwire_x402::close::CloseCode;

/// How often a broker looks at the keys of all open sockets by itself: word may be lost, and keys end by themselves.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// People who are looked up at once.
const AT_ONCE: usize = 64;

/// What a person is told whose key is not good any more.
pub(super) const REVOKED: &str = "the API key that opened this is not good any more";

/// Word from one broker to all others.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// A person's keys have changed, or the person is gone.
    Keys(String),
    /// A session is to be closed by whoever works at it.
    Close(String),
}

impl Inner {
    /// Tells all other brokers.
    pub(super) async fn tell_others(&self, word: &Word) {
        match serde_json::to_string(word) {
            Ok(text) => self.bridge.inner().tell_word(text).await,
            Err(error) => tracing::error!(%error, "word for other brokers cannot be written"),
        }
    }

    /// A person's keys have changed: what they opened ends, here and on all other brokers.
    pub(super) async fn keys_changed(&self, person: &str) {
        self.look_at_keys(Some(person)).await;
        self.tell_others(&Word::Keys(person.to_owned())).await;
    }

    /// Ends the open sockets whose key is not good any more: of one person, or of everybody.
    async fn look_at_keys(&self, person: Option<&str>) {
        let mut open: BTreeMap<Holder, Vec<Socket>> = BTreeMap::new();
        for socket in self.seats.sockets() {
            if person.is_none_or(|person| socket.holder.id == person) {
                open.entry(socket.holder.clone()).or_default().push(socket);
            }
        }
        let now = self.now();
        let looking = stream::iter(open).for_each_concurrent(AT_ONCE, |(holder, sockets)| async move {
            match self.people.is_good(&holder, now).await {
                Ok(true) => {}
                Ok(false) => sockets.iter().for_each(cut),
                Err(error) => tracing::warn!(%error, "a key cannot be looked up: what it opened stays open"),
            }
        });
        looking.await;
    }

    fn hear_word(&self, text: &str) -> Option<String> {
        match serde_json::from_str(text) {
            Ok(Word::Keys(person)) => return Some(person),
            Ok(Word::Close(session)) => self.seats.tell(&session, News::Close),
            Err(_) => tracing::warn!("word of another build's was not understood"),
        }
        None
    }
}

/// Ends a socket for good.
fn cut(socket: &Socket) {
    socket.outbox.end(Some(say::error(ErrorType::AuthFailed, REVOKED)), CloseCode::Unauthorized);
}

/// Hears what other brokers say, until the end.
pub(super) async fn listen(inner: Arc<Inner>, mut words: Receiver<Option<String>>) {
    let mut turns = interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = turns.tick() => inner.look_at_keys(None).await,
            word = words.recv() => match word {
                Ok(Some(text)) => {
                    if let Some(person) = inner.hear_word(&text) {
                        inner.look_at_keys(Some(&person)).await;
                    }
                }
                Ok(None) | Err(RecvError::Lagged(_)) => inner.look_at_keys(None).await,
                // The bridge is gone, and so will this be.
                Err(RecvError::Closed) => return inner.stop.cancelled().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (word, text) in
            [(Word::Keys("ada".into()), r#"{"keys":"ada"}"#), (Word::Close("s".into()), r#"{"close":"s"}"#)]
        {
            assert_eq!(serde_json::to_string(&word).unwrap(), text);
            assert_eq!(serde_json::from_str::<Word>(text).unwrap(), word);
        }
    }
}
