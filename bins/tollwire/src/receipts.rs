//! Usage receipts in files, one a line.

use crate::cli::VerifyArguments;
use crate::failure::Failure;
use crate::{output, tell};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use tollwire_client::{Config, Receipt, published_keys};
use tollwire_session::KeySet;

/// Appends a receipt to a file.
pub(crate) fn append(path: &Path, receipt: &Receipt) -> Result<(), Failure> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| writeln!(file, "{}", receipt.as_str()));
    written.map_err(|error| Failure::Io(path.display().to_string(), error))
}

/// `tollwire receipt verify`.
pub(crate) async fn verify(arguments: VerifyArguments) -> Result<(), Failure> {
    let usage = |error: std::io::Error| Failure::Usage(format!("{}: {error}", arguments.file.display()));
    let text = std::fs::read_to_string(&arguments.file).map_err(usage)?;
    let mut config = Config::new([]);
    config.allow_plain = arguments.allow_plain;
    let file = match &arguments.jwks {
        Some(path) => Some(key_file(path)?),
        None => None,
    };
    // One facilitator after another: the keys of the last are at hand.
    let mut known: Option<(String, KeySet)> = None;
    let receipts: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if receipts.is_empty() {
        return Err(Failure::Usage(format!("{}: no receipt in it", arguments.file.display())));
    }
    for (line, text) in receipts.into_iter().enumerate() {
        let fail = |reason: String| Failure::Receipt(format!("receipt {}: {reason}", line.saturating_add(1)));
        let jws = receipt(text);
        let named = issuer(&jws).ok_or_else(|| fail("it names no issuer".into()))?;
        let issuer = arguments.issuer.clone().unwrap_or(named);
        let keys = match (&file, &known) {
            (Some(keys), _) => keys.clone(),
            (None, Some((last, keys))) if *last == issuer => keys.clone(),
            (None, _) => published_keys(&issuer, &config).await?,
        };
        let receipt = Receipt::verify(&jws, &keys, &issuer).map_err(|error| fail(error.to_string()))?;
        output::result(&tell::claims(&receipt))?;
        known = Some((issuer, keys));
    }
    Ok(())
}

fn key_file(path: &Path) -> Result<KeySet, Failure> {
    let usage = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
    KeySet::from_jwks(&text).map_err(|error| usage(error.to_string()))
}

/// The receipt of a line: itself, or the member `receipt` of a JSON object.
fn receipt(line: &str) -> String {
    let object: Option<Value> = serde_json::from_str(line).ok();
    let member = object.as_ref().and_then(|object| object.get("receipt")?.as_str());
    member.unwrap_or(line).to_owned()
}

/// Whom a receipt says it is from: where its keys are asked for, which is what makes it so.
fn issuer(jws: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    Some(payload.get("iss")?.as_str()?.to_owned())
}
