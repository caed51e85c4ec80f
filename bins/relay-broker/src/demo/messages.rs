//! An app asks an agent that is away, and hears its answer word by word when it has come.

use super::{Story, claim, demo, scene};
use crate::demo_agent;
use crate::dev::DevBroker;
use crate::failure::Failure;
use tollwire_client::bridge::{AppClient, AppEvent, Config};

/// What the app sends; a detour through numbers or maps would change it.
const PAYLOAD: &str = r#"{ "b":1.0, "a":12345678901234567890123 }"#;

/// The agent is offline when it is asked.
pub(super) async fn waiting(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("An app asks an agent that is away");
    let config =
        |door: &str, token: &str| Config::new(format!("ws://{}/v1/ws/{door}", broker.address), token);
    let mut app = AppClient::connect(config("app", &broker.tokens.app)).map_err(demo)?;
    app.send("echo", "demo", PAYLOAD).await.map_err(demo)?;
    story.tell("app", format!("sends {PAYLOAD} to the agent \"echo\""));
    let mut agent = None;
    let mut text = String::new();
    loop {
        match app.next().await.ok_or_else(|| demo("the app's connection ended"))? {
            AppEvent::Accepted { queued, .. } => {
                claim(queued, "the agent is away")?;
                story.tell("broker", "keeps it: the agent is away");
                let demo_agent = demo_agent::run(config("agent", &broker.tokens.demo));
                agent = Some(tokio::spawn(demo_agent));
                story.tell("agent", "comes");
            }
            AppEvent::Token { text: word, .. } => {
                story.tell("agent", format!("says {word:?}"));
                text.push_str(&word);
            }
            AppEvent::Reply { content, payload, .. } => {
                claim(
                    !text.is_empty() && content.get().len() >= text.len(),
                    "the answer has all that was said",
                )?;
                let same = payload.is_some_and(|payload| payload.get() == PAYLOAD);
                claim(same, "the payload comes back byte for byte")?;
                story.tell("app", "has the whole answer, and its own payload back, byte for byte");
                break;
            }
            AppEvent::Failed { code, .. } => return Err(demo(code)),
            AppEvent::Ended { code } => return Err(demo(code)),
            _ => {}
        }
    }
    if let Some(agent) = agent {
        agent.abort();
    }
    Ok(())
}
