//! [`Bus`] on Redis publish/subscribe: one subscribing connection per node.

use crate::connection::RelayRedis;
use crate::script::{PUBLISH, run};
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::time::Duration;
use tollwire_redis::only;
use tollwire_redis::reply::{first, read};
use tollwire_relay::bridge::{Bus, News, NodeId, Tell};
use tollwire_relay::store::{BoxFuture, StoreError};

/// How long after a broken subscription another is tried.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is asked whether the primary that is listened to is still the one that is spoken to. In a cluster its
/// slot may move away from it, and then it hears what is said there, but does not count its own listeners.
const LOOK: Duration = Duration::from_secs(1);

/// In front of the channels of agent sessions.
pub(crate) const SESSIONS: &str = "asp:";

/// Word between all brokers of a Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisBus {
    redis: RelayRedis,
    /// In front of its channels' names.
    scope: &'static str,
}

impl RedisBus {
    /// A bus over this connection, and another that it makes to listen.
    pub fn new(redis: RelayRedis) -> Self {
        Self { redis, scope: "" }
    }

    /// Another bus beside the first, on which nobody hears what is said on that: for agent sessions, whose store says by itself
    /// what is new.
    pub fn of_sessions(redis: RelayRedis) -> Self {
        Self { redis, scope: SESSIONS }
    }

    fn channel(&self, node: Option<NodeId>) -> String {
        match node {
            Some(node) => self.redis.key(&format!("{}node:{node}", self.scope)),
            None => self.redis.key(&format!("{}nodes", self.scope)),
        }
    }

    /// Listens until the connection breaks, or another primary is spoken to.
    async fn hear(&self, node: NodeId, tell: &Tell) -> Result<(), StoreError> {
        let unheard = |error| StoreError::Unavailable(format!("cannot listen to Redis: {error}"));
        let (client, seat) = self.redis.client().await?;
        let mut listener = client.get_async_pubsub().await.map_err(unheard)?;
        listener.subscribe(&[self.channel(Some(node)), self.channel(None)]).await.map_err(unheard)?;
        // Whatever was said before is not heard any more.
        tell(News::Interrupted);
        let listening = async {
            let mut messages = listener.on_message();
            while let Some(message) = messages.next().await {
                tell(News::Notice(Bytes::copy_from_slice(message.get_payload_bytes())));
            }
        };
        let looking = async {
            while self.redis.is_still(&seat).await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let (listening, looking) = (std::pin::pin!(listening), std::pin::pin!(looking));
        futures_util::future::select(listening, looking).await;
        Ok(())
    }
}

impl Bus for RedisBus {
    fn is_shared(&self) -> bool {
        true
    }

    fn send(&self, to: Option<NodeId>, notice: Bytes) -> BoxFuture<'_, Result<bool, StoreError>> {
        // A script, because a server of a cluster takes `PUBLISH` whether the channel's slot is its own or not, and counts
        // only who hears it there.
        let mut call = run(&PUBLISH, &[self.channel(to)]);
        call.arg(&*notice);
        Box::pin(async move {
            let listeners: u64 = read(first(self.redis.ask(&only(call)).await?)?, "listeners")?;
            Ok(listeners > 0)
        })
    }

    fn listen(&self, node: NodeId, tell: Tell) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ear = (self.scope == SESSIONS).then(|| self.redis.ears().open(self.channel(Some(node))));
            loop {
                if let Err(error) = self.hear(node, &tell).await {
                    tracing::warn!(%error, "no word comes from other nodes for now");
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
    }
}
