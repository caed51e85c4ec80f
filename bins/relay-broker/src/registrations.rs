//! `relay-broker app|agent|person add|rotate|revoke|list`: what the admin API of the running broker does, for the command line.

use crate::cli::{AgentCommand, AppCommand, Asked, PersonCommand};
use crate::failure::Failure;
use crate::{bridge, config};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tollwire_ops::console;
use tollwire_relay::bridge::Party;

/// How long the broker may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) async fn app(command: AppCommand) -> Result<(), Failure> {
    match command {
        AppCommand::Add { id, print: true, asked, .. } => print(&Party::App(id), &asked)?,
        AppCommand::Add { id, org, asked, .. } => {
            show(&ask(&asked, Method::POST, "apps", &given(json!({ "id": id, "org": org }))).await?);
        }
        AppCommand::Rotate { id, asked } => show(&post(&asked, &format!("apps/{id}/rotate")).await?),
        AppCommand::Revoke { id, asked } => show(&post(&asked, &format!("apps/{id}/revoke")).await?),
        AppCommand::List { asked } => list(&ask(&asked, Method::GET, "apps", &Value::Null).await?, "apps"),
    }
    Ok(())
}

pub(crate) async fn agent(command: AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::Add { id, print: true, asked, .. } => print(&Party::Agent(id), &asked)?,
        AgentCommand::Add { id, name, description, org, allow, asked, .. } => {
            let body =
                json!({ "id": id, "name": name, "description": description, "org": org, "allow": allow });
            show(&ask(&asked, Method::POST, "agents", &given(body)).await?);
        }
        AgentCommand::Rotate { id, asked } => show(&post(&asked, &format!("agents/{id}/rotate")).await?),
        AgentCommand::Revoke { id, asked } => show(&post(&asked, &format!("agents/{id}/revoke")).await?),
        AgentCommand::List { asked } => {
            list(&ask(&asked, Method::GET, "agents", &Value::Null).await?, "agents");
        }
    }
    Ok(())
}

pub(crate) async fn person(command: PersonCommand) -> Result<(), Failure> {
    match command {
        PersonCommand::Add { id, name, asked } => {
            let body = given(json!({ "id": id, "name": name }));
            show(&ask(&asked, Method::POST, "people", &body).await?);
        }
        PersonCommand::Rotate { id, asked } => show(&post(&asked, &format!("people/{id}/rotate")).await?),
        PersonCommand::Revoke { id, asked } => show(&post(&asked, &format!("people/{id}/revoke")).await?),
        PersonCommand::List { asked } => {
            list(&ask(&asked, Method::GET, "people", &Value::Null).await?, "people");
        }
    }
    Ok(())
}

/// Without what was not given.
fn given(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}

/// Makes a token without telling anybody.
fn print(party: &Party, asked: &Asked) -> Result<(), Failure> {
    let file = config::read(&asked.config)?;
    let key = bridge::key(&file)?.ok_or_else(|| file.error("token_key", "set it first"))?;
    let (token, hash) = key.issue(party).map_err(Failure::start)?;
    console::line(format!("{}\ntoken_hash = \"{hash}\"", token.reveal()));
    Ok(())
}

/// Says the token alone, for scripts, or else all.
fn show(answer: &Value) {
    match answer["token"].as_str() {
        Some(token) => console::line(token),
        None => console::line(answer),
    }
}

fn list(answer: &Value, kind: &str) {
    for one in answer[kind].as_array().into_iter().flatten() {
        console::line(one);
    }
}

async fn post(asked: &Asked, path: &str) -> Result<Value, Failure> {
    ask(asked, Method::POST, path, &Value::Null).await
}

/// Asks the admin API of the broker that this file is about.
async fn ask(asked: &Asked, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    let (url, token) = admin(&asked.config, path)?;
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder()
        .method(method)
        .uri(&url)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(Failure::start)?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let answer = client.request(request).await.map_err(|error| {
            Failure::Start(format!("no broker answers at {url} ({error}); `add --print` needs none"))
        })?;
        let status = answer.status();
        let body =
            Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(Failure::start)?;
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let detail = body["detail"].as_str().unwrap_or("no reason given");
        Err(Failure::Start(format!("{status}: {detail}")))
    };
    tokio::time::timeout(ANSWER_WITHIN, exchange)
        .await
        .map_err(|_| Failure::Start("the broker gave no answer in time".into()))?
}

fn admin(config: &Path, path: &str) -> Result<(String, String), Failure> {
    let file = config::read(config)?;
    let admin =
        file.value.admin.as_ref().ok_or_else(|| file.error("admin", "the broker has no admin listener"))?;
    let token =
        admin.token.as_ref().ok_or_else(|| file.error("admin.token", "set it: /admin/* asks for it"))?;
    let token = token.read(&file.base)?.expose().to_owned();
    Ok((format!("http://{}/admin/{path}", admin.listen), token))
}
