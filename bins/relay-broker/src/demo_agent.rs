//! The agent of `dev`: repeats what it hears, word by word.

use std::time::Duration;
use tollwire_client::bridge::{AgentClient, AgentEvent, Config};

/// How long it thinks before each word.
const PER_WORD: Duration = Duration::from_millis(150);

/// Answers events until the broker is gone.
pub(crate) async fn run(config: Config) {
    let mut agent = match AgentClient::connect(config) {
        Ok(agent) => agent,
        Err(error) => return tracing::error!(%error, "there is no demo agent"),
    };
    while let Some(event) = agent.next().await {
        let AgentEvent::Event { event, payload, .. } = event else { continue };
        if answer(&agent, &event, payload.get()).await.is_err() {
            return;
        }
    }
}

async fn answer(
    agent: &AgentClient,
    event: &str,
    payload: &str,
) -> Result<(), tollwire_client::bridge::Error> {
    let text = format!("You said {payload} and I heard every byte of it.");
    for word in text.split_inclusive(' ') {
        tokio::time::sleep(PER_WORD).await;
        agent.token(event, word).await?;
    }
    agent.reply(event, &text).await
}
