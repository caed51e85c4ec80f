//! From a draft to a message: what the server assigns, the hash and the signature.

use crate::VERSION;
use crate::agent::AgentUri;
use crate::chain::Hash;
use crate::draft::{Draft, is_proof};
use crate::id::{MessageId, SessionId};
use crate::key::SigningKey;
use crate::time::Millis;
use crate::trust::TrustScore;
use std::fmt::Write as _;

/// Who sends, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Its name.
    pub agent: AgentUri,
    /// Its organisation: letters, digits, `_`, `-` and `.`; other characters are left out.
    pub org: String,
    /// How much it is trusted now.
    pub trust: TrustScore,
    /// The proof it showed; left out of the message if there is none, or if it is no compact JWT.
    pub proof: Option<String>,
}

/// What the server assigns.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The session.
    pub session: &'a SessionId,
    /// Which message of the session it is; the first is 1.
    pub sequence: u64,
    /// Its name.
    pub id: MessageId,
    /// When.
    pub at: Millis,
    /// The hash of the message before it.
    pub previous: Hash,
}

/// A message as it is kept, sent and verified: its bytes never change again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Canonical JSON of the whole envelope.
    pub text: String,
    /// Its hash.
    pub hash: Hash,
}

/// What an envelope takes beside what its sender wrote, roughly, in bytes.
const AROUND_BYTES: usize = 768;

/// What `integrity` takes beside what is signed, in bytes.
const INTEGRITY_BYTES: usize = 256;

/// Makes a message of a draft.
pub fn seal(draft: &Draft, sender: &Sender, place: &Place<'_>, key: &SigningKey) -> Sealed {
    let constraints = draft.constraints_text.as_deref().unwrap_or_default();
    let proof = draft.proof.as_ref().filter(|_| sender.proof.is_some()).or(sender.proof.as_ref());
    let proof = proof.filter(|proof| is_proof(proof)).map_or("", String::as_str);
    let parts = [draft.content_text.len(), constraints.len(), proof.len(), AROUND_BYTES];
    let mut signed = String::with_capacity(parts.into_iter().fold(0, usize::saturating_add));
    head(&mut signed, constraints, &draft.content_text);
    let before = signed.len();
    // Writing to a string does not fail.
    let _ = write!(signed, r#"{{"previousHash":"{}"}}"#, place.previous);
    let after = signed.len();
    tail(&mut signed, draft, sender, place, proof);
    let (hash, signature) = (Hash::of(signed.as_bytes()), key.sign(signed.as_bytes()));
    let mut text = String::with_capacity(signed.len().saturating_add(INTEGRITY_BYTES));
    text.push_str(signed.get(..before).unwrap_or_default());
    let _ =
        write!(text, r#"{{"hash":"{hash}","previousHash":"{}","signature":"{signature}"}}"#, place.previous);
    text.push_str(signed.get(after..).unwrap_or_default());
    Sealed { text, hash }
}

/// The envelope before `integrity`'s value. The members stand in RFC 8785's order, here and behind it, and no text that is not
/// canonical already has a character that would need an escape.
fn head(text: &mut String, constraints: &str, content: &str) {
    text.push('{');
    if !constraints.is_empty() {
        text.push_str(r#""constraints":"#);
        text.push_str(constraints);
        text.push(',');
    }
    text.push_str(r#""content":"#);
    text.push_str(content);
    text.push_str(r#","integrity":"#);
}

/// The envelope behind it.
fn tail(text: &mut String, draft: &Draft, sender: &Sender, place: &Place<'_>, proof: &str) {
    // Writing to a string does not fail.
    let _ = write!(text, r#","messageId":"{}","performative":"{}","#, place.id, draft.performative);
    if let Some(recipient) = &draft.recipient {
        let _ = write!(text, r#""recipient":"{recipient}","#);
    }
    let _ = write!(text, r#""sender":{{"agentId":"{}""#, sender.agent);
    if !proof.is_empty() {
        let _ = write!(text, r#","dpopProof":"{proof}""#);
    }
    text.push_str(r#","orgId":""#);
    text.extend(sender.org.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)));
    let _ = write!(text, r#"","trustScore":{}}},"#, sender.trust);
    let _ = write!(
        text,
        r#""sequenceNumber":{},"sessionId":"{}","timestamp":"{}","version":"{VERSION}"}}"#,
        place.sequence, place.session, place.at
    );
}
