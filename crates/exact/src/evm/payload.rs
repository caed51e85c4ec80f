//! The scheme's JSON: `{signature, authorization}`.

use super::{Address, Authorization, Domain, Error, Refusal, Signature};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use tollwire_x402::{PaymentId, Usdc, reason};

/// The longest signature we read, in bytes. ERC-6492 wrappers and passkey wallets need more than 65; calldata
/// is paid for, so there is an end.
const SIGNATURE_BYTES_MAX: usize = 4096;

/// An EIP-3009 payload: the authorization, and the payer's signature as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// 65 bytes from an ordinary account; any length from a contract wallet.
    pub signature: Vec<u8>,
    /// What is signed.
    pub authorization: Authorization,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow)]
    signature: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    authorization: RawAuthorization<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthorization<'a> {
    from: &'a str,
    to: &'a str,
    value: &'a str,
    valid_after: &'a str,
    valid_before: &'a str,
    nonce: &'a str,
}

impl Payload {
    /// A payload of an ordinary account.
    pub fn new(authorization: Authorization, signature: &Signature) -> Self {
        Self { signature: signature.as_bytes().to_vec(), authorization }
    }

    /// Reads the scheme's JSON. All numbers are strings of decimal digits, as the specification has them.
    ///
    /// Numbers too large for our types can never be acceptable, and are refused here with the reason they would
    /// have got later: `value` beyond nine billion dollars, times beyond 64 bits.
    pub fn parse(payload: &Value) -> Result<Self, Refusal> {
        if payload.get("permit2Authorization").is_some() || payload.get("permissionContext").is_some() {
            return Err(Refusal::new(
                reason::UNSUPPORTED_PAYLOAD_TYPE,
                "only EIP-3009 authorizations are taken here",
            ));
        }
        Self::of(&Raw::deserialize(payload).map_err(|_| not_an_authorization())?)
    }

    /// The same of a payload that was parsed before and kept as text.
    pub fn parse_kept(text: &str) -> Result<Self, Refusal> {
        // Without a tree of it; only text with escapes needs one.
        match serde_json::from_str::<Raw<'_>>(text) {
            Ok(raw) => Self::of(&raw),
            Err(_) => Self::parse(&serde_json::from_str(text).map_err(|_| not_an_authorization())?),
        }
    }

    fn of(raw: &Raw<'_>) -> Result<Self, Refusal> {
        let from: Address = raw.authorization.from.parse().map_err(|_| invalid("from", "an address"))?;
        let authorization =
            parse_authorization(from, &raw.authorization).map_err(|refusal| refusal.by(&from))?;
        Ok(Self {
            signature: parse_signature(&raw.signature).map_err(|refusal| refusal.by(&from))?,
            authorization,
        })
    }

    /// The scheme's JSON, as the official clients write it.
    pub fn to_json(&self) -> Value {
        let authorization = &self.authorization;
        json!({
            "signature": format!("0x{}", hex::encode(&self.signature)),
            "authorization": {
                "from": authorization.from.to_string(),
                "to": authorization.to.to_string(),
                "value": authorization.value.atomic().to_string(),
                "validAfter": authorization.valid_after.to_string(),
                "validBefore": authorization.valid_before.to_string(),
                "nonce": format!("0x{}", hex::encode(authorization.nonce)),
            },
        })
    }

    /// Who signed, if the signature is an ordinary account's. Whether that is the payer is for the caller to
    /// compare; a contract wallet's signature may look like anything.
    pub fn recover(&self, domain: &Domain) -> Result<Address, Error> {
        Signature::from_bytes(&self.signature)?.recover(&self.authorization.digest(domain))
    }

    /// The payment's identity on a chain and token.
    pub fn id(&self, domain: &Domain) -> PaymentId {
        payment_id(domain.chain_id, &domain.contract, &self.authorization.from, &self.authorization.nonce)
    }
}

/// A payment's identity: what the token contract itself takes only once.
pub fn payment_id(chain_id: u64, asset: &Address, payer: &Address, nonce: &[u8; 32]) -> PaymentId {
    PaymentId::eip155(chain_id, asset.as_bytes(), payer.as_bytes(), nonce)
}

impl fmt::Debug for Payload {
    /// Without the signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("authorization", &self.authorization).finish_non_exhaustive()
    }
}

fn parse_authorization(from: Address, raw: &RawAuthorization<'_>) -> Result<Authorization, Refusal> {
    for (field, digits) in
        [("value", raw.value), ("validAfter", raw.valid_after), ("validBefore", raw.valid_before)]
    {
        // 78 digits hold the largest 256-bit number.
        if !(1..=78).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid(field, "a string of decimal digits"));
        }
    }
    let number = |field: &str, digits: &str, reason| {
        digits
            .parse::<u64>()
            .map_err(|_| Refusal::new(reason, format!("{field} is beyond any time we serve")))
    };
    let value = raw.value.parse().ok().and_then(Usdc::from_atomic).ok_or_else(|| {
        Refusal::new(reason::EVM_VALUE_MISMATCH, "value is larger than any amount we offer")
    })?;
    Ok(Authorization {
        from,
        to: raw.to.parse().map_err(|_| invalid("to", "an address"))?,
        value,
        valid_after: number("validAfter", raw.valid_after, reason::EVM_VALID_AFTER)?,
        valid_before: number("validBefore", raw.valid_before, reason::EVM_VALID_BEFORE)?,
        nonce: parse_nonce(raw.nonce)?,
    })
}

fn parse_nonce(text: &str) -> Result<[u8; 32], Refusal> {
    let mut nonce = [0; 32];
    text.strip_prefix("0x")
        .and_then(|digits| hex::decode_to_slice(digits, &mut nonce).ok())
        .ok_or_else(|| invalid("nonce", "0x and 64 hexadecimal digits"))?;
    Ok(nonce)
}

fn parse_signature(text: &str) -> Result<Vec<u8>, Refusal> {
    let expected =
        || Refusal::new(reason::EVM_FAILED_TO_PARSE_SIGNATURE, "signature is not 0x and hexadecimal digits");
    let digits = text.strip_prefix("0x").ok_or_else(expected)?;
    if digits.len() > 2 * SIGNATURE_BYTES_MAX {
        return Err(Refusal::new(
            reason::EVM_FAILED_TO_PARSE_SIGNATURE,
            format!("signature is longer than {SIGNATURE_BYTES_MAX} bytes"),
        ));
    }
    hex::decode(digits).map_err(|_| expected())
}

fn not_an_authorization() -> Refusal {
    invalid(
        "payload",
        "{signature, authorization: {from, to, value, validAfter, validBefore, nonce}}, all strings",
    )
}

fn invalid(field: &str, expected: &str) -> Refusal {
    Refusal::new(reason::INVALID_PAYLOAD, format!("{field} is not {expected}"))
}
