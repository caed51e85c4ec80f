//! What a usage receipt says: what a session bought, used, and got back, signed by the facilitator.

use crate::claims::{check_chain, check_integer, check_subject};
use crate::reader::Reader;
use crate::{Error, KeySet};
use serde::Serialize;
use serde_json::{Map, Value};
use tollwire_x402::{FeedId, Network, SessionId, Unit, Usdc};

/// The `typ` of a usage receipt.
pub const RECEIPT_TYPE: &str = "tollwire-receipt+jwt";

/// The claims of a usage receipt, all required. Times are Unix seconds, counts are units.
///
/// A receipt does not expire, and it opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptClaims {
    /// `iss`: the facilitator that kept the books.
    pub iss: String,
    /// `sub`: the payer's address, 1 to 128 visible ASCII characters.
    pub sub: String,
    /// `jti`: the session.
    pub jti: SessionId,
    /// `feed`: the feed it was for.
    pub feed: FeedId,
    /// `unit`: what is counted.
    pub unit: Unit,
    /// `network`: the CAIP-2 network of the payment.
    pub network: Network,
    /// `chain`: its short name.
    pub chain: String,
    /// `bought`: the units paid for, top-ups included.
    pub bought: u64,
    /// `used`: the units served.
    pub used: u64,
    /// `refunded`: the units whose price was paid back.
    pub refunded: u64,
    /// `remaining`: the units still to be used. `used`, `refunded` and `remaining` are at most `bought` together; what
    /// is missing is held by open streams, or fell to the provider.
    pub remaining: u64,
    /// `amount`: what was deposited in all; atomic units of USDC, as a string.
    pub amount: Usdc,
    /// `used_amount`: the price of the units served; at most `amount`.
    pub used_amount: Usdc,
    /// `from`: when the session began.
    pub from: u64,
    /// `to`: until when this receipt counts; not before `from`.
    pub to: u64,
    /// `iat`: when it was issued.
    pub iat: u64,
    /// `final`: true if nothing of it can change any more.
    pub is_final: bool,
}

impl ReceiptClaims {
    /// Verifies a receipt that this issuer signed with one of these keys, whenever that was.
    pub fn verify(receipt: &str, keys: &KeySet, issuer: &str) -> Result<Self, Error> {
        Self::read(&keys.open(receipt, RECEIPT_TYPE, issuer)?)
    }

    fn read(payload: &Map<String, Value>) -> Result<Self, Error> {
        let reader = Reader::new(payload);
        let amount = |name| Usdc::parse_atomic(reader.text(name)?).map_err(|_| Error::Claims(name));
        let claims = Self {
            iss: reader.text("iss")?.to_owned(),
            sub: reader.text("sub")?.to_owned(),
            jti: reader.parsed("jti")?,
            feed: reader.parsed("feed")?,
            unit: reader.parsed("unit")?,
            network: reader.parsed("network")?,
            chain: reader.text("chain")?.to_owned(),
            bought: reader.integer("bought")?,
            used: reader.integer("used")?,
            refunded: reader.integer("refunded")?,
            remaining: reader.integer("remaining")?,
            amount: amount("amount")?,
            used_amount: amount("used_amount")?,
            from: reader.integer("from")?,
            to: reader.integer("to")?,
            iat: reader.integer("iat")?,
            is_final: reader.boolean("final")?,
        };
        claims.check()?;
        Ok(claims)
    }

    /// What must hold of any receipt's claims, whoever reads or writes them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_subject(&self.sub)?;
        check_chain(&self.chain)?;
        for (name, value) in
            [("bought", self.bought), ("from", self.from), ("to", self.to), ("iat", self.iat)]
        {
            check_integer(name, value)?;
        }
        let accounted = self.used.checked_add(self.refunded).and_then(|sum| sum.checked_add(self.remaining));
        if accounted.is_none_or(|sum| sum > self.bought) {
            return Err(Error::Claims("bought"));
        }
        if self.used_amount > self.amount {
            return Err(Error::Claims("used_amount"));
        }
        if self.to < self.from { Err(Error::Claims("to")) } else { Ok(()) }
    }

    /// The claims as JSON, in the order of the documentation.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let wire = Wire {
            iss: &self.iss,
            sub: &self.sub,
            jti: &self.jti,
            feed: &self.feed,
            unit: self.unit,
            network: self.network,
            chain: &self.chain,
            bought: self.bought,
            used: self.used,
            refunded: self.refunded,
            remaining: self.remaining,
            amount: self.amount.atomic().to_string(),
            used_amount: self.used_amount.atomic().to_string(),
            from: self.from,
            to: self.to,
            iat: self.iat,
            is_final: self.is_final,
        };
        serde_json::to_vec(&wire).map_err(|_| Error::Malformed)
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    sub: &'a str,
    jti: &'a SessionId,
    feed: &'a FeedId,
    unit: Unit,
    network: Network,
    chain: &'a str,
    bought: u64,
    used: u64,
    refunded: u64,
    remaining: u64,
    amount: String,
    used_amount: String,
    from: u64,
    to: u64,
    iat: u64,
    #[serde(rename = "final")]
    is_final: bool,
}
