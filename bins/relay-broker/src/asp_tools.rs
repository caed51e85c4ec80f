//! `relay-broker asp verify` and `asp secret`: what needs no running broker.

use crate::failure::Failure;
use std::path::Path;
use tollwire_asp::{Transcript, Verifier, VerifyingKey};
use tollwire_client::asp::{Download, download};
use tollwire_ops::console;
use tollwire_relay::asp::SecretHash;
use url::Url;

/// The longest transcript, in bytes.
const BYTES_MAX: usize = 1 << 30;

/// Where brokers publish their keys.
const KEYS: &str = "/.well-known/asp-keys.json";

/// Where keys came from.
enum Trusted {
    Given,
    Published(String),
    Own,
}

/// Verifies a transcript; a bad one is a failure that names its first bad message.
pub(crate) async fn verify(from: &str, key: Option<&str>) -> Result<(), Failure> {
    let key = key.map(str::parse::<VerifyingKey>).transpose();
    let key = key.map_err(|error| Failure::Verify(format!("--key: {error}")))?;
    let url = Url::parse(from).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let text = match &url {
        Some(url) => fetch(url).await?,
        None => read(Path::new(from))?,
    };
    let transcript = Transcript::read(&text).map_err(|error| Failure::Verify(error.to_string()))?;
    let (keys, trusted) = match (key, &url) {
        (Some(key), _) => (vec![key], Trusted::Given),
        (None, Some(url)) => {
            let at = url.join(KEYS).map_err(Failure::start)?;
            let keys = Transcript::read(&with_no_messages(&fetch(&at).await?)).map_err(Failure::start)?.keys;
            (keys, Trusted::Published(at.to_string()))
        }
        (None, None) => (transcript.keys.clone(), Trusted::Own),
    };
    if keys.is_empty() {
        return Err(Failure::Verify(
            "it names no key: write --key HEX, the key that the broker publishes".to_owned(),
        ));
    }
    let mut verifier = Verifier::new(keys);
    for message in &transcript.messages {
        verifier.next(message).map_err(|fault| Failure::Verify(fault.to_string()))?;
    }
    let report = verifier.finish(transcript.head).map_err(|fault| Failure::Verify(fault.to_string()))?;
    let session = report.session.map_or_else(|| "no session".to_owned(), |session| session.to_string());
    console::line(format!(
        "{session}: {} message(s) verified, {} then; head {}",
        report.head.sequence, report.state, report.head.hash
    ));
    match trusted {
        Trusted::Given => {}
        Trusted::Published(at) => console::line(format!("signed by a key of {at}")),
        Trusted::Own => console::warning(
            "the key is the transcript's own word: this proves that it is whole, not who signed it; write --key HEX",
        ),
    }
    if transcript.head.is_none() {
        console::warning("it names no head: messages may be missing at its end");
    }
    Ok(())
}

/// A key set in the form of a transcript, which has one reader.
fn with_no_messages(keys: &str) -> String {
    keys.trim_end().strip_suffix('}').map_or_else(String::new, |head| format!("{head},\"messages\":[]}}"))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Verify(format!("{}: {error}", path.display())))
}

async fn fetch(url: &Url) -> Result<String, Failure> {
    let answer = download(url.as_str(), &Download { bytes_max: BYTES_MAX, ..Download::default() }).await;
    answer.map_err(|error| Failure::Verify(format!("{url}: {error}")))
}

/// Prints a random secret and its hash.
pub(crate) fn secret() -> Result<(), Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Failure::start)?;
    let secret = hex::encode(bytes);
    console::line(format!("secret: {secret}\nsecret_hash: {}", SecretHash::of(&secret)));
    Ok(())
}
