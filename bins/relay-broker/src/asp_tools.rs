//! `relay-broker asp verify` and `asp secret`: what needs no broker, or one that only hands out.

use crate::failure::Failure;
use std::path::Path;
use tollwire_asp::{Report, SessionId, Transcript, Verifier, VerifyingKey};
use tollwire_client::asp::{Account, Config, Download, download};
use tollwire_ops::console;
use tollwire_ops::secret::SecretRef;
use tollwire_relay::asp::SecretHash;
use url::Url;

/// The longest transcript, in bytes.
const BYTES_MAX: usize = 1 << 30;

/// Where brokers publish their keys.
const KEYS: &str = "/.well-known/asp-keys.json";

/// Below it stand a broker's sessions.
const SESSIONS: &str = "/v1/asp/sessions/";

/// Where keys came from.
enum Trusted {
    Given,
    Published(String),
    Own,
}

/// Verifies a transcript; a bad one is a failure that names its first bad message.
pub(crate) async fn verify(
    from: &str,
    key: Option<&str>,
    login: Option<(String, SecretRef)>,
) -> Result<(), Failure> {
    let key = key.map(str::parse::<VerifyingKey>).transpose();
    let key = key.map_err(|error| Failure::Verify(format!("--key: {error}")))?;
    let url = Url::parse(from).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let text = match (&url, login) {
        (Some(url), Some((client, secret))) => export(url, client, &secret).await?,
        (Some(url), None) => fetch(url).await?,
        (None, Some(_)) => return Err(Failure::Verify("--client is for the URL of a session".to_owned())),
        (None, None) => read(Path::new(from))?,
    };
    let transcript = parse(&text)?;
    let (keys, trusted) = match (key, &url) {
        (Some(key), _) => (vec![key], Trusted::Given),
        (None, Some(url)) => {
            let at = url.join(KEYS).map_err(Failure::start)?;
            (published(&at).await?, Trusted::Published(at.to_string()))
        }
        (None, None) => (transcript.keys.clone(), Trusted::Own),
    };
    let report = judge(&transcript, keys)?;
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

/// A transcript's messages, keys and head.
pub(crate) fn parse(text: &str) -> Result<Transcript, Failure> {
    Transcript::read(text).map_err(|error| Failure::Verify(error.to_string()))
}

/// What a transcript proves, signed by one of these keys.
pub(crate) fn judge(transcript: &Transcript, keys: Vec<VerifyingKey>) -> Result<Report, Failure> {
    if keys.is_empty() {
        return Err(Failure::Verify(
            "it names no key: write --key HEX, the key that the broker publishes".to_owned(),
        ));
    }
    let mut verifier = Verifier::new(keys);
    for message in &transcript.messages {
        verifier.next(message).map_err(|fault| Failure::Verify(fault.to_string()))?;
    }
    verifier.finish(transcript.head).map_err(|fault| Failure::Verify(fault.to_string()))
}

/// The keys that are published at an URL.
pub(crate) async fn published(at: &Url) -> Result<Vec<VerifyingKey>, Failure> {
    Ok(Transcript::read(&with_no_messages(&fetch(at).await?)).map_err(Failure::start)?.keys)
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
    answer.map_err(|error| {
        let hint =
            if url.path().contains(SESSIONS) { "; a running broker asks who you are: --client" } else { "" };
        Failure::Verify(format!("{url}: {error}{hint}"))
    })
}

/// A session of a running broker's, whole, as one of its participants is given it.
async fn export(url: &Url, client: String, secret: &SecretRef) -> Result<String, Failure> {
    let wrong = || Failure::Verify(format!("{url}: write the URL of a session, ..{SESSIONS}ID"));
    let (before, after) = url.path().split_once(SESSIONS).ok_or_else(wrong)?;
    let id = after.trim_end_matches('/').strip_suffix("/messages").unwrap_or(after.trim_end_matches('/'));
    let session: SessionId = id.parse().map_err(|_| wrong())?;
    let mut base = url.clone();
    base.set_path(before);
    base.set_query(None);
    let secret = secret.read(Path::new("."))?;
    let failed = |error: tollwire_client::Error| Failure::Verify(format!("{url}: {error}"));
    let config = Config::new(base.as_str().trim_end_matches('/'), client, secret.expose()).map_err(failed)?;
    Account::new(config).map_err(failed)?.transcript(&session).await.map_err(failed)
}

/// Prints a random secret and its hash.
pub(crate) fn secret() -> Result<(), Failure> {
    let secret = random()?;
    console::line(format!("secret: {secret}\nsecret_hash: {}", SecretHash::of(&secret)));
    Ok(())
}

/// 64 random hexadecimal digits.
pub(crate) fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Failure::start)?;
    Ok(hex::encode(bytes))
}
