//! What a payment bought, and whose signatures count.

use crate::purse::now;
use crate::report::{REQUIRED, must};
use crate::server::Answer;
use crate::walk::Walk;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;
use tollwire_session::{Claims, ControlClaims, ControlMessage, KeySet, ReceiptClaims, Verifier};
use tollwire_x402::SessionId;
use url::Url;

/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// A session, as its answer describes it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) jti: SessionId,
    pub(crate) unit: String,
    /// As far as known.
    pub(crate) units: u64,
    pub(crate) deposited: String,
    pub(crate) ws: Url,
}

impl Session {
    /// Reads the body of a paid answer.
    pub(crate) fn read(answer: &Answer) -> Result<Self, String> {
        let body = answer.json()?;
        let text = |pointer: &str| {
            let member = body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            member.map(str::to_owned).ok_or_else(|| format!("no text at {pointer}"))
        };
        let token = text("/token")?;
        must(
            matches!(text("/token_type")?.as_str(), "Bearer" | "DPoP"),
            "token_type is neither Bearer nor DPoP",
        )?;
        let expires = text("/expires_at")?;
        must(is_rfc3339(&expires), format!("expires_at is not RFC 3339: {expires}"))?;
        let ws_url = text("/ws_url")?;
        must(!ws_url.contains(&token), "ws_url holds the token")?;
        let ws: Url = ws_url.parse().map_err(|error| format!("ws_url: {error}"))?;
        must(matches!(ws.scheme(), "ws" | "wss"), "ws_url is neither ws: nor wss:")?;
        for member in ["feed", "chain", "deposited"] {
            text(&format!("/session/{member}"))?;
        }
        let unit = text("/session/unit")?;
        must(matches!(unit.as_str(), "stream" | "second" | "message" | "kib"), format!("unit {unit}"))?;
        let units = body.pointer("/session/units_remaining").and_then(Value::as_u64);
        let units = units.ok_or("session.units_remaining is no number")?;
        let jti = text("/session/jti")?.parse().map_err(|error| format!("session.jti: {error}"))?;
        Ok(Self { token, jti, unit, units, deposited: text("/session/deposited")?, ws })
    }

    /// `Authorization` with its token.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Where its streams are opened, with further parameters.
    pub(crate) fn at(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.ws.clone();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        url
    }
}

fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let at = |n: usize, wanted: &[u8]| bytes.get(n).is_some_and(|byte| wanted.contains(byte));
    let zone = text.ends_with(['Z', 'z']) || bytes.iter().rev().nth(2) == Some(&b':');
    at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":") && zone
}

/// The server's key set, and where its other resources are.
pub(crate) struct Keys {
    set: KeySet,
    facilitator: Url,
}

impl Keys {
    /// Fetches the key set that the bill's facilitator publishes.
    pub(crate) async fn fetch(walk: &mut Walk, bill: &Value) -> Option<Self> {
        let fetched = async {
            let named = bill.pointer("/extensions/tollwire-session/info/facilitator").and_then(Value::as_str);
            let named = named.ok_or("the bill names no facilitator")?;
            let facilitator: Url =
                format!("{}/", named.trim_end_matches('/')).parse().map_err(|error| format!("{error}"))?;
            let url = facilitator.join(".well-known/jwks.json").map_err(|error| error.to_string())?;
            let answer = walk.server.get(&url, &[]).await?.is(200)?;
            let set = KeySet::from_jwks(&String::from_utf8_lossy(&answer.body));
            let set = set.map_err(|error| error.to_string())?;
            must(!set.is_empty(), "no key that can be used")?;
            Ok(Self { set, facilitator })
        };
        let fetched: Result<Self, String> = fetched.await;
        let (keys, kept) = match fetched {
            Ok(keys) => (Some(keys), Ok(())),
            Err(why) => (None, Err(why)),
        };
        walk.report.rule(REQUIRED, "the facilitator publishes its keys at .well-known/jwks.json", kept);
        keys
    }

    /// Where units are added to sessions.
    pub(crate) fn top_up(&self) -> Result<Url, String> {
        self.facilitator.join("session/top-up").map_err(|error| error.to_string())
    }

    /// A token of this session, signed by one of the keys.
    pub(crate) fn token(&self, token: &str, session: &SessionId) -> Result<Claims, String> {
        let claims = claims(token)?;
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        let verifier = Verifier::new(self.set.clone(), text("iss"), text("aud"), LEEWAY);
        let claims = verifier.verify(token, now()).map_err(|error| format!("the token: {error}"))?;
        must(claims.jti == *session, "the token is of another session")?;
        Ok(claims)
    }

    /// A receipt of this session.
    pub(crate) fn receipt(&self, receipt: &str, session: &Session) -> Result<ReceiptClaims, String> {
        let issuer = self.issuer(session)?;
        let claims = ReceiptClaims::verify(receipt, &self.set, &issuer);
        let claims = claims.map_err(|error| format!("the receipt: {error}"))?;
        must(claims.jti == session.jti, "the receipt is of another session")?;
        Ok(claims)
    }

    /// A control message on a stream of this session, received now.
    pub(crate) fn control(
        &self,
        jws: &str,
        message: &ControlMessage<'_>,
        session: &Session,
    ) -> Result<(), String> {
        let issuer = self.issuer(session)?;
        let verified = ControlClaims::verify(jws, &self.set, &issuer, &session.jti, message, now());
        verified.map(drop).map_err(|error| format!("the jws of {}: {error}", message.kind))
    }

    /// Whoever issued the session's token signs everything else.
    fn issuer(&self, session: &Session) -> Result<String, String> {
        Ok(self.token(&session.token, &session.jti)?.iss)
    }
}

/// What a token says, unverified.
pub(crate) fn claims(token: &str) -> Result<Value, String> {
    let payload = token.split('.').nth(1).ok_or("the token is no compact JWS")?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "the token's payload is not base64url")?;
    serde_json::from_slice(&payload).map_err(|_| "the token's payload is no JSON".into())
}
