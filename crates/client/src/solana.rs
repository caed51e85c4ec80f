//! Paying on Solana: the transaction of an offer, and the blockhash it needs.

use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, request};
use crate::offer::Terms;
use crate::wallet::{Wallet, random};
use crate::{Config, Error};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tollwire_exact::solana::{Address, MEMO_BYTES_MAX, Transfer};
use tollwire_x402::Network;
use tollwire_x402::v2::PaymentRequirements;

/// For how many seconds a transaction may still be settled at most: its blockhash lives for about a minute, more while
/// the cluster is slow.
pub(crate) const VALID_SECS: u64 = 180;

/// The blockhash that a seller hints at.
pub(crate) fn hinted(offer: &PaymentRequirements) -> Option<[u8; 32]> {
    let blockhash: Address = offer.extra_str("recentBlockhash")?.parse().ok()?;
    Some(*blockhash.as_bytes())
}

/// The blockhash to pay an offer with, from the seller or else from the configured node; `None` for offers elsewhere.
pub(crate) async fn blockhash(
    http: &HttpClient,
    config: &Config,
    offer: &PaymentRequirements,
) -> Result<Option<[u8; 32]>, Error> {
    if !matches!(offer.known_network(), Some(Network::Solana(_))) {
        return Ok(None);
    }
    if let Some(hinted) = hinted(offer) {
        return Ok(Some(hinted));
    }
    let Some(node) = &config.solana_rpc else {
        return Err(Error::NoOffer("it hints at no blockhash, and no Solana node is configured"));
    };
    let node = Endpoint::http(node, config.allow_plain)?;
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "getLatestBlockhash", "params": [{ "commitment": "confirmed" }],
    });
    let make = || {
        let mut request = request(Method::POST, &node, call.to_string())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    };
    let answer = http.send_until(make, |answer| !answer.is_temporary()).await?;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = answer.pointer("/result/value/blockhash").and_then(Value::as_str);
    let blockhash: Option<Address> = text.and_then(|text| text.parse().ok());
    let blockhash = blockhash.ok_or_else(|| Error::Protocol("the Solana node tells no blockhash".into()))?;
    Ok(Some(*blockhash.as_bytes()))
}

/// The payload that pays an offer.
pub(crate) fn payload(
    wallet: &Wallet,
    offer: &PaymentRequirements,
    terms: &Terms,
    blockhash: Option<[u8; 32]>,
) -> Result<Value, Error> {
    let unfit = || Error::NoOffer("its terms are not Solana's");
    let (mint, to) = (terms.asset.solana().ok_or_else(unfit)?, terms.pay_to.solana().ok_or_else(unfit)?);
    let fee_payer: Address = offer.extra_str("feePayer").ok_or_else(unfit)?.parse()?;
    let blockhash = blockhash.ok_or(Error::NoOffer("it hints at no blockhash"))?;
    let own = hex::encode(random::<16>()?);
    let memo = offer.extra_str("memo").filter(|memo| !memo.is_empty()).unwrap_or(&own);
    if memo.len() > MEMO_BYTES_MAX {
        return Err(Error::NoOffer("its memo is too long"));
    }
    let transaction = wallet.transfer(|from| {
        // With our own key as fee payer, ours would be the only signature it needs.
        if fee_payer == from {
            return Err(Error::NoOffer("it wants the payer to pay the fee"));
        }
        let terms = Transfer::usdc(fee_payer, from, to, mint, offer.amount.atomic());
        Ok(Transfer { blockhash, memo, ..terms }.transaction()?)
    })?;
    Ok(json!({ "transaction": transaction.to_base64() }))
}
