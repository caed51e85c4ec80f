//! What is allowed but probably not meant.

use super::File;
use tollwire_ops::config::Loaded;

/// One sentence per likely mistake, each naming the key and what will happen.
pub(crate) fn warnings(file: &Loaded<File>) -> Vec<String> {
    let value = &file.value;
    let mut found = Vec::new();
    if value.api.is_empty() && value.token_key.is_none() {
        found.push("api: no API is registered; every call is answered with 404".into());
    }
    let registrable = value.admin.as_ref().is_some_and(|admin| admin.token.is_some());
    if value.token_key.is_some() && !registrable && (value.app.is_empty() || value.agent.is_empty()) {
        found.push(
            "token_key: the bridge has no app or no agent, and without admin.token none can be added".into(),
        );
    }
    if value.origins.iter().any(|origin| origin == "*") {
        found.push(
            "origins: every web page may use the broker, with whatever its reader's machine can reach".into(),
        );
    }
    if value.public_url.scheme() == "http" && !value.listen.ip().is_loopback() && value.tls.is_none() {
        found.push(
            "public_url: calls and payments cross the network unencrypted; set tls or put TLS in front"
                .into(),
        );
    }
    if value.admin.as_ref().is_some_and(|admin| !admin.listen.ip().is_loopback()) {
        found.push(
            "admin.listen: the admin listener is not on loopback; anybody who reaches it sees the metrics"
                .into(),
        );
    }
    if value.limits.frame_bytes < value.limits.request_bytes.saturating_mul(4) / 3 {
        found.push(
            "limits.frame_bytes: a request body of request_bytes does not fit into a frame as base64".into(),
        );
    }
    let priced = value.api.iter().any(|api| api.price.is_some());
    if priced && value.store.resolve().is_ok_and(|store| store == "memory:") {
        found.push(
            "store: with memory: an answer that was paid for cannot be collected after a restart".into(),
        );
    }
    let facilitator = value.facilitator.as_ref().and_then(|written| written.resolve().ok());
    let facilitator = facilitator.and_then(|text| url::Url::parse(&text).ok());
    if facilitator.is_some_and(|url| url.scheme() == "http" && !is_loopback(&url)) {
        found.push("facilitator: payments reach it unencrypted; write https://".into());
    }
    for api in &value.api {
        let url = api.base_url.resolve().ok().and_then(|text| url::Url::parse(&text).ok());
        if url.is_some_and(|url| url.scheme() == "http") && !api.allow_private {
            found.push(format!("api {}: it is public and not encrypted; write https://", api.id));
        }
    }
    found
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(v4)) => v4.is_loopback(),
        Some(url::Host::Ipv6(v6)) => v6.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
