//! Messages of a session: said, listed, found by their names.

use super::one;
use super::problem::no_message;
use crate::asp::error::Failed;
use crate::asp::gatekeeper::Guest;
use crate::asp::hear::ID_BYTES_MAX;
use crate::asp::inner::Inner;
use crate::asp::record::unpack;
use crate::asp::speak::Words;
use crate::http::{Answer, json as answer, of_type};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tollwire_asp::{Code, Draft, Envelope, MessageId, SessionId};

/// Messages of one page, unless another number is asked for, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// Bytes of one page.
const PAGE_BYTES: usize = 1024 * 1024;

/// What messages are served as.
const CONTENT_TYPE: &str = "application/asp+json";

impl Inner {
    pub(super) async fn post(
        &self,
        id: &SessionId,
        guest: &Guest,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Answer, Failed> {
        let key = idempotency_key(headers)?;
        let text = std::str::from_utf8(body)
            .map_err(|_| Failed::new(Code::SchemaViolation, "the body is no text"))?;
        let words = Words { bytes: text.len(), ..Words::of(Draft::read(text)?, key) };
        let spoken = self.speak(id, guest, words).await?;
        Ok(answer(
            StatusCode::CREATED,
            &json!({ "messageId": spoken.message, "sequenceNumber": spoken.sequence, "sessionId": id }),
        ))
    }

    /// Messages after `since_sequence`, in the bytes in which they are kept.
    pub(super) async fn page(&self, id: &SessionId, guest: &Guest, query: &str) -> Result<Answer, Failed> {
        let (mut since, mut limit) = (0_u64, PAGE);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let number = || Failed::new(Code::SchemaViolation, format!("{name} is a whole number"));
            match &*name {
                "since_sequence" | "cursor" => since = value.parse().map_err(|_| number())?,
                "limit" => limit = value.parse::<usize>().map_err(|_| number())?.clamp(1, PAGE_MAX),
                _ => {}
            }
        }
        let (head, _) = self.session(id, &guest.client.agent).await?;
        let mut page = self.sessions.read(id, since, PAGE_BYTES).await?;
        // What was said since then is not of this head.
        page.retain(|(sequence, _)| *sequence <= head.seq);
        page.truncate(limit);
        let last = page.last().map_or(since, |(sequence, _)| *sequence);
        let messages: Vec<&str> = page.iter().filter_map(|(_, bytes)| Some(unpack(bytes)?.1)).collect();
        let more = if last < head.seq { format!(r#","nextCursor":"{last}""#) } else { String::new() };
        let key = self.key.verifying_key();
        let body = format!(
            r#"{{"sessionId":"{id}","firstSequence":{},"lastSequence":{},"head":{{"sequenceNumber":{},"hash":"{}"}},"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]{more},"messages":[{}]}}"#,
            head.first,
            head.seq,
            head.seq,
            head.hash,
            key.x(),
            messages.join(",")
        );
        Ok(of_type(StatusCode::OK, CONTENT_TYPE, body))
    }

    /// The message of this name, in the bytes in which it is kept. Names begin with the time, and messages are in the order of
    /// time: half of what is left is passed over with every look.
    pub(super) async fn message(&self, id: &SessionId, guest: &Guest, name: &str) -> Result<Answer, Failed> {
        let (head, _) = self.session(id, &guest.client.agent).await?;
        let Ok(wanted) = name.parse::<MessageId>() else { return Ok(no_message()) };
        // Between the two lies the first message that is not earlier.
        let (mut low, mut high) = (head.first, head.seq.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            match self.one(id, middle).await? {
                Some((sequence, envelope, _)) if sequence == middle && envelope.id.at() >= wanted.at() => {
                    high = middle;
                }
                Some((sequence, ..)) if sequence == middle => low = middle.saturating_add(1),
                // Forgotten meanwhile.
                Some((sequence, ..)) => low = sequence,
                None => high = middle,
            }
        }
        // Of the same millisecond there may be several.
        while let Some((_, envelope, text)) = self.one(id, low).await? {
            if envelope.id == wanted {
                return Ok(of_type(StatusCode::OK, CONTENT_TYPE, text));
            }
            if envelope.id.at() > wanted.at() {
                break;
            }
            low = low.saturating_add(1);
        }
        Ok(no_message())
    }

    /// The first message from this number on.
    async fn one(&self, id: &SessionId, sequence: u64) -> Result<Option<(u64, Envelope, String)>, Failed> {
        let page = self.sessions.read(id, sequence.saturating_sub(1), 1).await?;
        let Some((sequence, bytes)) = page.into_iter().next() else { return Ok(None) };
        let text = unpack(&bytes).map(|(_, text)| text.to_owned());
        let read = text.and_then(|text| Some((sequence, Envelope::read(&text).ok()?, text)));
        read.map(Some).ok_or_else(|| Failed::new(Code::InternalError, "a message cannot be read"))
    }
}

/// What a message is known by when it is sent again. One that cannot be kept is refused: whoever gives it relies on it.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Failed> {
    const NAME: &str = "idempotency-key";
    if !headers.contains_key(NAME) {
        return Ok(None);
    }
    let key = one(headers, NAME).filter(|key| (1..=ID_BYTES_MAX).contains(&key.len()));
    let wrong =
        || Failed::new(Code::SchemaViolation, "Idempotency-Key stands once and is 1 to 128 bytes long");
    key.map(Some).ok_or_else(wrong)
}
