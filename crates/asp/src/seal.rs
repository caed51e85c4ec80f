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

/// Makes a message of a draft.
pub fn seal(draft: &Draft, sender: &Sender, place: &Place<'_>, key: &SigningKey) -> Sealed {
    let previous = place.previous.to_string();
    let (head, tail) = around(draft, sender, place);
    let signed = format!(r#"{head}{{"previousHash":"{previous}"}}{tail}"#);
    let (hash, signature) = (Hash::of(signed.as_bytes()), key.sign(signed.as_bytes()));
    let text =
        format!(r#"{head}{{"hash":"{hash}","previousHash":"{previous}","signature":"{signature}"}}{tail}"#);
    Sealed { text, hash }
}

/// The envelope before and after `integrity`'s value. The members stand in RFC 8785's order, and no text that is not canonical
/// already has a character that would need an escape.
fn around(draft: &Draft, sender: &Sender, place: &Place<'_>) -> (String, String) {
    let mut head = String::from("{");
    if let Some(constraints) = &draft.constraints_text {
        head.push_str(r#""constraints":"#);
        head.push_str(constraints);
        head.push(',');
    }
    head.push_str(r#""content":"#);
    head.push_str(&draft.content_text);
    head.push_str(r#","integrity":"#);

    let mut tail = format!(r#","messageId":"{}","performative":"{}","#, place.id, draft.performative);
    if let Some(recipient) = &draft.recipient {
        // Writing to a string does not fail.
        let _ = write!(tail, r#""recipient":"{recipient}","#);
    }
    let _ = write!(tail, r#""sender":{{"agentId":"{}""#, sender.agent);
    let proof = draft.proof.as_ref().filter(|_| sender.proof.is_some()).or(sender.proof.as_ref());
    if let Some(proof) = proof.filter(|proof| is_proof(proof)) {
        let _ = write!(tail, r#","dpopProof":"{proof}""#);
    }
    let org: String =
        sender.org.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).collect();
    let _ = write!(
        tail,
        r#","orgId":"{org}","trustScore":{}}},"sequenceNumber":{},"sessionId":"{}","timestamp":"{}","version":"{VERSION}"}}"#,
        sender.trust, place.sequence, place.session, place.at
    );
    (head, tail)
}
