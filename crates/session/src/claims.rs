//! What a session token says.

use crate::Error;
use crate::reader::Reader;
use serde::Serialize;
use serde_json::{Map, Value};
use tollwire_x402::{FeedId, Network, SessionId, Unit, Usdc};

/// The `typ` of a session token.
pub const SESSION_TYPE: &str = "tollwire-session+jwt";

/// The longest a session token may be valid, in seconds: 31 days. An operator's `ttl` lies below it.
pub const SESSION_SECS_MAX: u64 = 31 * 24 * 60 * 60;

/// The claims of a session token, all required (`cnf` only when bound to a DPoP key).
///
/// Times are Unix seconds. `streams_remaining` and `deposited` are as of issue: a token proves who bought what, the
/// ledger knows what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: the facilitator that issued the token.
    pub iss: String,
    /// `aud`: the facilitator's `public_url`.
    pub aud: String,
    /// `sub`: the payer's address, 1 to 128 visible ASCII characters.
    pub sub: String,
    /// `jti`: the session, a version 4 UUID.
    pub jti: SessionId,
    /// `feed`: the feed the session admits to.
    pub feed: FeedId,
    /// `deposited`: what was paid, as dollars with two to six decimals (`$10.00`).
    pub deposited: String,
    /// `streams_remaining`: the units left at issue.
    pub streams_remaining: u64,
    /// `unit`: what those units are.
    pub unit: Unit,
    /// `network`: the CAIP-2 network of the payment.
    pub network: Network,
    /// `chain`: its short name, such as `base`, `base-sepolia`, `solana` or `dev`.
    pub chain: String,
    /// `iat`: when it was issued.
    pub iat: u64,
    /// `nbf`: not valid before.
    pub nbf: u64,
    /// `exp`: not valid from then on; at most [`SESSION_SECS_MAX`] after `iat`.
    pub exp: u64,
    /// `gen`: which issue of this session's token this is; a later one may retire it.
    pub generation: u64,
    /// `cnf.jkt`: the RFC 7638 thumbprint of the DPoP key the token is bound to, if it is.
    pub jkt: Option<String>,
}

impl Claims {
    /// Reads the claims of a payload whose signature has been verified.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Self, Error> {
        let reader = Reader::new(payload);
        let claims = Self {
            iss: reader.text("iss")?.to_owned(),
            aud: reader.text("aud")?.to_owned(),
            sub: reader.text("sub")?.to_owned(),
            jti: reader.parsed("jti")?,
            feed: reader.parsed("feed")?,
            deposited: reader.text("deposited")?.to_owned(),
            streams_remaining: reader.integer("streams_remaining")?,
            unit: reader.parsed("unit")?,
            network: reader.parsed("network")?,
            chain: reader.text("chain")?.to_owned(),
            iat: reader.integer("iat")?,
            nbf: reader.integer("nbf")?,
            exp: reader.integer("exp")?,
            generation: reader.integer("gen")?,
            jkt: reader.thumbprint()?,
        };
        claims.check()?;
        Ok(claims)
    }

    /// What must hold of any session token's claims, whoever reads or writes them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_subject(&self.sub)?;
        check_deposited(&self.deposited)?;
        check_chain(&self.chain)?;
        check_integer("streams_remaining", self.streams_remaining)?;
        check_integer("gen", self.generation)?;
        check_integer("nbf", self.nbf)?;
        check_life(self.iat, self.exp, SESSION_SECS_MAX)?;
        if self.nbf >= self.exp {
            return Err(Error::Claims("nbf"));
        }
        self.jkt.as_deref().map_or(Ok(()), |jkt| check_hash("cnf", jkt))
    }

    /// The claims as JSON, in the order of the documentation.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let wire = Wire {
            iss: &self.iss,
            aud: &self.aud,
            sub: &self.sub,
            jti: &self.jti,
            feed: &self.feed,
            deposited: &self.deposited,
            streams_remaining: self.streams_remaining,
            unit: self.unit,
            network: self.network,
            chain: &self.chain,
            iat: self.iat,
            nbf: self.nbf,
            exp: self.exp,
            generation: self.generation,
            cnf: self.jkt.as_deref().map(|jkt| Confirmation { jkt }),
        };
        serde_json::to_vec(&wire).map_err(|_| Error::Malformed)
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    jti: &'a SessionId,
    feed: &'a FeedId,
    deposited: &'a str,
    streams_remaining: u64,
    unit: Unit,
    network: Network,
    chain: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    #[serde(rename = "gen")]
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

#[derive(Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

/// Integers stay exact in every language that reads a token: at most 2^53 - 1.
pub(crate) fn check_integer(name: &'static str, value: u64) -> Result<(), Error> {
    if value < 1 << 53 { Ok(()) } else { Err(Error::Claims(name)) }
}

/// `iat < exp`, and not by more than `secs_max`.
pub(crate) fn check_life(iat: u64, exp: u64, secs_max: u64) -> Result<(), Error> {
    check_integer("iat", iat)?;
    match exp.checked_sub(iat) {
        Some(life) if (1..=secs_max).contains(&life) => Ok(()),
        _ => Err(Error::Claims("exp")),
    }
}

/// An address: never empty, bounded, and safe to print.
pub(crate) fn check_subject(sub: &str) -> Result<(), Error> {
    let valid = (1..=128).contains(&sub.len()) && sub.bytes().all(|b| b.is_ascii_graphic());
    if valid { Ok(()) } else { Err(Error::Claims("sub")) }
}

fn check_deposited(text: &str) -> Result<(), Error> {
    let amount = text.strip_prefix('$').and_then(|dollars| dollars.parse::<Usdc>().ok());
    if amount.is_some_and(|amount| amount.to_string() == text) {
        Ok(())
    } else {
        Err(Error::Claims("deposited"))
    }
}

pub(crate) fn check_chain(chain: &str) -> Result<(), Error> {
    let valid = (1..=32).contains(&chain.len())
        && chain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid { Ok(()) } else { Err(Error::Claims("chain")) }
}

/// A SHA-256 in unpadded base64url is 43 characters.
pub(crate) fn check_hash(name: &'static str, text: &str) -> Result<(), Error> {
    let valid = text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if valid { Ok(()) } else { Err(Error::Claims(name)) }
}
