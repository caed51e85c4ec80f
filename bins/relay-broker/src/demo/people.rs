//! A person has agents work for them, and is asked before that costs anything.

use super::{Story, claim, demo, paid, scene};
use crate::dev::{DevBroker, PRICE};
use crate::failure::Failure;
use crate::{brain, demo_agent};
use tollwire_client::bridge;
use tollwire_client::orchestrator::{Config, Event, PersonClient};

/// One job for nothing, one that is declined when its price is told, and then those that are paid for.
pub(super) async fn asked_first(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("A person is asked before it costs anything");
    let config = |token: &str| bridge::Config::new(format!("ws://{}/v1/ws/agent", broker.address), token);
    let agents = [
        tokio::spawn(demo_agent::run(config(&broker.tokens.demo))),
        tokio::spawn(brain::run(config(&broker.tokens.brain))),
    ];
    let told = async {
        talk(story, broker).await?;
        paid::jobs(story, broker).await
    };
    let told = told.await;
    agents.iter().for_each(tokio::task::JoinHandle::abort);
    told
}

async fn talk(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    let config = Config::new(broker.url.as_str(), broker.tokens.person.clone());
    let mut person = PersonClient::open(config).await.map_err(demo)?;
    person.say("listen to this").await.map_err(demo)?;
    story.tell("person", "says \"listen to this\"");
    loop {
        match next(&mut person).await? {
            Event::Said { content, agent_name, .. } => {
                claim(content.contains("listen to this"), "the agent was told what the person said")?;
                story.tell("broker", format!("has had {agent_name} do it, for nothing"));
                break;
            }
            Event::Asked { .. } => return Err(demo("asked for money for what is free")),
            _ => {}
        }
    }
    person.say("repeat this").await.map_err(demo)?;
    story.tell("person", "says \"repeat this\"");
    loop {
        match next(&mut person).await? {
            Event::Asked { amount, agent_name, action, .. } => {
                claim(PRICE.parse() == Ok(amount), "the price is the agent's")?;
                story.tell("broker", format!("asks: {agent_name} wants {amount} to {action}"));
                person.decline().await.map_err(demo)?;
                story.tell("person", "declines");
            }
            Event::Failed { error_type, .. } => {
                claim(error_type == "payment_declined", "nothing else went wrong")?;
                story.tell("broker", "asks no agent, and charges nothing");
                break;
            }
            Event::Said { .. } | Event::Paid { .. } => return Err(demo("done without being paid for")),
            _ => {}
        }
    }
    person.close().await.map_err(demo)?;
    loop {
        if let Event::Closed { .. } = next(&mut person).await? {
            story.tell("person", "has gone");
            return Ok(());
        }
    }
}

pub(super) async fn next(person: &mut PersonClient) -> Result<Event, Failure> {
    match person.next().await {
        Some(Event::Ended { code }) => Err(demo(code)),
        Some(event) => Ok(event),
        None => Err(demo("the person's connection ended")),
    }
}
