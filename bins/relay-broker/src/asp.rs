//! From the file's words to agent sessions.

use crate::config::{Asp as Written, AspClient as AspClientWritten, File};
use crate::failure::Failure;
use crate::store::Store;
use tollwire_asp::SigningKey;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_relay::asp::{Asp, AspCard, AspClient, AspClients, AspConfig, AspLimits};

/// The sessions that a file describes, if it describes any.
pub(crate) async fn start(file: &Loaded<File>, store: &Store) -> Result<Option<Asp>, Failure> {
    let Some(key) = key(file)? else { return Ok(None) };
    let mut config = AspConfig::new(key, store.asp().await?, file.value.public_url.clone());
    config.clients = clients(file)?;
    if let Some(written) = &file.value.asp {
        config.limits = limits(written);
    }
    Asp::start(config).map(Some).map_err(Failure::start)
}

/// The key that messages are signed with.
pub(crate) fn key(file: &Loaded<File>) -> Result<Option<SigningKey>, Error> {
    let Some(written) = &file.value.asp else { return Ok(None) };
    let secret = written.signing_key.read(&file.base)?;
    SigningKey::from_hex(secret.expose()).map(Some).map_err(|_| {
        file.error("asp.signing_key", "64 hexadecimal digits, as `relay-broker asp secret` prints them")
    })
}

/// The clients of a file, checked.
pub(crate) fn clients(file: &Loaded<File>) -> Result<AspClients, Error> {
    let mut clients = AspClients::new();
    for (position, written) in file.value.asp.iter().flat_map(|asp| asp.client.iter()).enumerate() {
        let fail = |key: &str, why: &str| file.error(format!("asp.client[{position}].{key}"), why);
        if !(1..=128).contains(&written.id.len())
            || !written.id.bytes().all(|b| b.is_ascii_graphic() && b != b':')
        {
            return Err(fail("id", "1 to 128 visible ASCII characters without a colon"));
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if !(1..=64).contains(&written.org.len()) || !written.org.bytes().all(fits) {
            return Err(fail("org", "1 to 64 letters, digits and _-."));
        }
        if written.agent.is_operator() {
            return Err(fail("agent", "this name is the operator's own"));
        }
        let secret = written.secret_hash.resolve()?;
        let client = AspClient {
            secret: secret.parse().map_err(|_| {
                fail("secret_hash", "64 hexadecimal digits, as `relay-broker asp secret` prints them")
            })?,
            agent: written.agent.clone(),
            org: written.org.clone(),
            trust: written
                .trust
                .parse()
                .map_err(|_| fail("trust", "from 0 to 100, with two decimals at most"))?,
            card: card(written).map_err(|(key, why)| fail(key, why))?,
        };
        if clients.insert(written.id.clone(), client).is_some() {
            return Err(fail("id", "it stands twice"));
        }
    }
    Ok(clients)
}

/// What others can find out about a client, or which key is wrong.
fn card(written: &AspClientWritten) -> Result<AspCard, (&'static str, &'static str)> {
    const TEXT_BYTES_MAX: usize = 1024;
    const CAPABILITIES_MAX: usize = 64;
    for (key, text) in [("name", &written.name), ("description", &written.description)] {
        if text.len() > TEXT_BYTES_MAX {
            return Err((key, "at most 1024 bytes"));
        }
    }
    let fits = |word: &String| {
        (1..=64).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/".contains(&b))
    };
    if written.capabilities.len() > CAPABILITIES_MAX || !written.capabilities.iter().all(fits) {
        return Err(("capabilities", "at most 64 words of 1 to 64 letters, digits and -._:/"));
    }
    Ok(AspCard {
        name: written.name.clone(),
        description: written.description.clone(),
        capabilities: written.capabilities.clone(),
    })
}

fn limits(written: &Written) -> AspLimits {
    let mut limits = AspLimits::default();
    limits.frame_bytes_max = written.frame_bytes;
    limits.auth_wait = written.auth_wait.0;
    limits.heartbeat = written.heartbeat.0;
    limits.pong_wait = written.pong_wait.0;
    limits.token_ttl = written.token_ttl.0;
    limits.connections_max = written.connections;
    limits.sends_per_second = written.sends_per_second;
    limits.participants_max = written.participants;
    limits.messages_max = written.messages;
    limits.retention = written.retention.0;
    limits.duplicate_window = written.duplicate_window.0;
    limits.dpop_reuse = written.dpop_reuse.0;
    limits.expose_dpop = written.expose_dpop;
    limits
}

/// Bounds that would let nothing through.
pub(crate) fn validate(file: &Loaded<File>) -> Result<(), Error> {
    let Some(asp) = &file.value.asp else { return Ok(()) };
    for (key, zero) in [
        ("frame_bytes", asp.frame_bytes == 0),
        ("auth_wait", asp.auth_wait.0.is_zero()),
        ("heartbeat", asp.heartbeat.0.is_zero()),
        ("pong_wait", asp.pong_wait.0.is_zero()),
        ("token_ttl", asp.token_ttl.0.is_zero()),
        ("connections", asp.connections == 0),
        ("sends_per_second", asp.sends_per_second == 0),
        ("participants", asp.participants < 2),
        ("messages", asp.messages == 0),
        ("retention", asp.retention.0.is_zero()),
    ] {
        if zero {
            return Err(file.error(format!("asp.{key}"), "more than that"));
        }
    }
    Ok(())
}
