//! `facilitator receipt verify`: does a usage receipt say what its facilitator signed?

mod keys;

use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;
use tollwire_gate::rfc3339;
use tollwire_ops::console;
use tollwire_session::ReceiptClaims;

/// The longest file read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Verifies the receipt in a file, with keys from a file, from a URL, or from the issuer that the receipt names.
pub(crate) async fn verify(file: &Path, jwks: Option<&str>) -> Result<(), Failure> {
    let receipt = read(file)?;
    let issuer = issuer(&receipt).ok_or_else(|| Failure::Receipt("not a signed receipt".into()))?;
    let (keys, origin) = if let Some(place) = jwks {
        (keys::read(place).await?, place.to_owned())
    } else {
        let url = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
        (keys::fetch(&url).await?, url)
    };
    let claims = ReceiptClaims::verify(&receipt, &keys, &issuer)
        .map_err(|error| Failure::Receipt(format!("the receipt does not verify: {error}")))?;
    show(&claims, &origin);
    Ok(())
}

/// The receipt of a file that holds it alone, or as the answer of `GET /session/receipt`.
fn read(file: &Path) -> Result<String, Failure> {
    let fail = |error: std::io::Error| Failure::Receipt(format!("{}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(fail)?;
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(fail)?;
    let answer: Option<Value> = serde_json::from_str(&text).ok();
    let member = answer.as_ref().and_then(|answer| answer.get("receipt")?.as_str());
    Ok(member.unwrap_or(&text).trim().to_owned())
}

/// Whom a receipt says it is from; nothing is known of it yet.
fn issuer(receipt: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(receipt.split('.').nth(1)?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    Some(payload.get("iss")?.as_str()?.to_owned())
}

fn show(claims: &ReceiptClaims, origin: &str) {
    console::line(format!("The receipt is genuine: signed by {}, keys from {origin}", claims.iss));
    let units = |count: u64| format!("{count} {}", claims.unit);
    for (name, value) in [
        ("session", claims.jti.to_string()),
        ("feed", claims.feed.to_string()),
        ("payer", claims.sub.clone()),
        ("network", format!("{} ({})", claims.network, claims.chain)),
        ("paid in", claims.amount.to_string()),
        ("bought", units(claims.bought)),
        ("used", format!("{}, worth {}", units(claims.used), claims.used_amount)),
        ("refunded", units(claims.refunded)),
        ("remaining", units(claims.remaining)),
        ("from", rfc3339::seconds(claims.from)),
        ("to", rfc3339::seconds(claims.to)),
        ("final", if claims.is_final { "yes" } else { "no, the session may go on" }.to_owned()),
    ] {
        console::line(format!("  {name:<10} {value}"));
    }
}
