//! An example of a brain for the orchestrator: it chooses by the words that a message shares with what agents say of themselves.
//! Whoever wants more understanding writes another: it is an agent of the bridge like any other.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollwire_client::bridge::{AgentClient, AgentEvent, Config};

/// What the orchestrator asks.
#[derive(Debug, Deserialize)]
struct Question {
    message: Message,
    #[serde(default)]
    agents: Vec<Agent>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: String,
}

#[derive(Debug, Deserialize)]
struct Agent {
    slug: String,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    category: String,
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Action {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    input_schema: Value,
}

/// Words that say nothing about what is wanted.
const COMMON: [&str; 24] = [
    "the", "this", "that", "these", "and", "for", "with", "from", "into", "you", "your", "please", "can",
    "could", "would", "what", "who", "how", "are", "all", "any", "https", "http", "com",
];

/// Answers until the broker is gone.
pub(crate) async fn run(config: Config) {
    let mut agent = match AgentClient::connect(config) {
        Ok(agent) => agent,
        Err(error) => return tracing::error!(%error, "there is no brain"),
    };
    while let Some(event) = agent.next().await {
        match event {
            AgentEvent::Event { event, payload, .. } => {
                let answer = match serde_json::from_str::<Question>(payload.get()) {
                    Ok(question) => choose(&question).to_string(),
                    Err(_) => json!({ "say": "I am a brain: ask me through the orchestrator." }).to_string(),
                };
                if agent.reply(&event, &answer).await.is_err() {
                    return;
                }
            }
            AgentEvent::Ended { code } => {
                return tracing::warn!(code, "the brain has no connection any more");
            }
            _ => {}
        }
    }
}

/// The action that shares most words with the message, if any does.
fn choose(question: &Question) -> Value {
    let words = words(&question.message.content);
    let all =
        question.agents.iter().flat_map(|agent| agent.actions.iter().map(move |action| (agent, action)));
    let scored = all.map(|(agent, action)| (score(&words, agent, action), agent, action));
    // Of those that fit equally well the first.
    let best = scored.fold(None, |best: Option<(usize, &Agent, &Action)>, next| match best {
        Some(before) if before.0 >= next.0 => Some(before),
        _ => Some(next),
    });
    let Some((1.., agent, action)) = best else {
        let names: Vec<&str> = question.agents.iter().map(|agent| agent.name.as_str()).collect();
        let known = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        return json!({ "say": format!("I know no agent for that. I know: {known}.") });
    };
    json!({
        "agent": agent.slug,
        "action": action.name,
        "arguments": arguments(&question.message.content, &action.input_schema),
        "description": if action.description.is_empty() { &action.name } else { &action.description },
    })
}

/// How many words fit; those of the action's name count most.
fn score(words: &[String], agent: &Agent, action: &Action) -> usize {
    let fits = |text: &str, weight: usize| {
        let theirs = self::words(text);
        words.iter().filter(|word| theirs.contains(word)).count().saturating_mul(weight)
    };
    [
        fits(&action.name, 4),
        fits(&action.description, 1),
        fits(&agent.name, 2),
        fits(&agent.slug, 2),
        fits(&agent.category, 1),
        fits(&agent.description, 1),
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}

/// The words of a text, in small letters, cut to what words of one stem share.
fn words(text: &str) -> Vec<String> {
    let all = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let telling = all.filter(|word| word.chars().count() > 2 && !COMMON.contains(&word.as_str()));
    telling.map(|word| word.chars().take(6).collect()).collect()
}

/// The message as arguments: an URL where one is asked for, and all of it where a text is.
fn arguments(content: &str, schema: &Value) -> Value {
    let url =
        content.split_whitespace().find(|word| word.starts_with("http://") || word.starts_with("https://"));
    let mut arguments = Map::new();
    for (name, _) in schema["properties"].as_object().into_iter().flatten() {
        match (name.as_str(), url) {
            ("url" | "link", Some(url)) => drop(arguments.insert(name.clone(), json!(url))),
            ("text" | "content" | "message" | "query" | "prompt" | "input", _) => {
                arguments.insert(name.clone(), json!(content));
            }
            _ => {}
        }
    }
    if arguments.is_empty() {
        arguments.insert("text".to_owned(), json!(content));
    }
    Value::Object(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(content: &str) -> Value {
        let question = json!({
            "type": "choose", "message": { "content": content },
            "agents": [
                { "slug": "docs", "name": "Document Summarizer", "actions": [
                    { "name": "summarize", "description": "Summarize a document",
                      "input_schema": { "properties": { "url": { "type": "string" }, "text": {} } } },
                    { "name": "translate", "description": "Translate a document" } ] },
                { "slug": "weather", "name": "Weather", "actions": [{ "name": "forecast" }] },
            ],
        });
        choose(&serde_json::from_value(question).unwrap())
    }

    #[test]
    fn the_agent_that_shares_most_words_is_chosen() {
        let chosen = asked("Summarize this article: https://example.com/article");
        assert_eq!((&chosen["agent"], &chosen["action"]), (&json!("docs"), &json!("summarize")));
        assert_eq!(chosen["arguments"]["url"], "https://example.com/article");
        assert_eq!(asked("Translating, please")["action"], "translate");
        assert_eq!(asked("how is the weather?")["agent"], "weather");
        assert_eq!(asked("how is the weather?")["arguments"], json!({ "text": "how is the weather?" }));
        let said = asked("hello")["say"].as_str().unwrap().to_owned();
        assert!(said.contains("Document Summarizer, Weather"), "{said}");
    }
}
