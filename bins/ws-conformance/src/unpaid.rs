//! What a server says to whoever has not paid.

use crate::purse::as_header;
use crate::report::{ERRORS, Kept, REQUIRED, must};
use crate::server::{Answer, Opened};
use crate::walk::Walk;
use serde_json::Value;
use tollwire_x402::{Network, header};
use url::Url;

const EXTENSION: &str = "tollwire-session";

/// The bills, of a session and of an upgrade. `None` if there is none that could be paid.
pub(crate) async fn bills(walk: &mut Walk) -> Option<Value> {
    let url = walk.server.session.clone();
    let report = &mut walk.report;
    let answer = match walk.server.get(&url, &[]).await.and_then(|answer| answer.is(402)) {
        Ok(answer) => answer,
        Err(why) => {
            report.rule(REQUIRED, "an unpaid session request is answered 402", Err(why));
            return None;
        }
    };
    report.rule(REQUIRED, "an unpaid session request is answered 402", Ok(()));
    let bill = answer.decoded(header::PAYMENT_REQUIRED);
    let formed = bill.as_ref().map_err(Clone::clone).and_then(v2);
    report.rule(REQUIRED, "its PAYMENT-REQUIRED header is a v2 PaymentRequired object", formed);
    report.rule(REQUIRED, "its body is a v1 bill with v1's members and names of networks", v1(&answer));
    let bill = bill.ok()?;
    let rule = "extensions[\"tollwire-session\"] has info {quote, facilitator, unit} and a schema";
    report.rule(REQUIRED, rule, extension(&bill));
    let again = walk.server.get(&url, &[]).await.and_then(|answer| answer.decoded(header::PAYMENT_REQUIRED));
    let fresh = again.and_then(|again| must(quote(&again) != quote(&bill), "two bills have the same quote"));
    walk.report.rule(REQUIRED, "every bill has a quote of its own", fresh);
    Some(bill)
}

fn quote(bill: &Value) -> Option<&str> {
    bill["extensions"][EXTENSION]["info"]["quote"].as_str()
}

/// The members of a v2 bill that a payment needs.
pub(crate) fn v2(bill: &Value) -> Kept {
    must(bill["x402Version"] == 2, "x402Version is not 2")?;
    must(bill["resource"]["url"].is_string(), "no resource.url")?;
    let offers =
        bill["accepts"].as_array().filter(|offers| !offers.is_empty()).ok_or("nothing in accepts")?;
    for offer in offers {
        for name in ["scheme", "network", "amount", "asset", "payTo"] {
            must(offer[name].is_string(), format!("an offer without {name}: {offer}"))?;
        }
        must(offer["maxTimeoutSeconds"].is_u64(), format!("an offer without maxTimeoutSeconds: {offer}"))?;
        let amount = offer["amount"].as_str().unwrap_or_default();
        must(!amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit()), format!("amount {amount}"))?;
        let network = offer["network"].as_str().unwrap_or_default();
        must(network.contains(':'), format!("{network} is no CAIP-2 network"))?;
    }
    Ok(())
}

/// The members of a v1 bill. It may offer nothing: v1 knows few networks, and its clients pay little.
fn v1(answer: &Answer) -> Kept {
    let body = answer.json()?;
    must(body["x402Version"] == 1, "x402Version is not 1")?;
    must(body["error"].is_string(), "no error")?;
    for offer in body["accepts"].as_array().ok_or("no accepts")? {
        for name in [
            "scheme",
            "network",
            "maxAmountRequired",
            "resource",
            "payTo",
            "asset",
            "mimeType",
            "description",
        ] {
            must(offer[name].is_string(), format!("an offer without {name}: {offer}"))?;
        }
        must(offer["maxTimeoutSeconds"].is_u64(), format!("an offer without maxTimeoutSeconds: {offer}"))?;
        let network = offer["network"].as_str().unwrap_or_default();
        must(Network::from_v1_name(network).is_ok(), format!("{network} is no network of v1"))?;
    }
    Ok(())
}

fn extension(bill: &Value) -> Kept {
    let extension = &bill["extensions"][EXTENSION];
    let info = &extension["info"];
    must(quote(bill).is_some_and(|quote| quote.len() >= 22), "no quote of at least 128 bits")?;
    let facilitator = info["facilitator"].as_str().and_then(|text| text.parse::<Url>().ok());
    must(facilitator.is_some(), "info.facilitator is no URL")?;
    let unit = info["unit"].as_str().unwrap_or_default();
    must(matches!(unit, "stream" | "second" | "message" | "kib"), format!("info.unit is {unit:?}"))?;
    must(extension["schema"].is_object(), "no schema")
}

/// What is no good payment buys nothing, and costs nothing.
pub(crate) async fn refused_payments(walk: &mut Walk, bill: &Value) {
    let url = walk.server.session.clone();
    let rule = "a payment header that is no payment is answered 400";
    let malformed = walk.server.get(&url, &[(header::PAYMENT_SIGNATURE, "e30=")]).await;
    walk.report.rule(ERRORS, rule, malformed.and_then(|answer| answer.is(400)).map(drop));
    let rule = "a payment that its payer did not sign is answered 402, with success: false and a fresh bill";
    let Some(offer) = walk.purse.affordable(bill).into_iter().next() else {
        return walk.report.skip(ERRORS, rule, "no offer can be paid within --max on these networks");
    };
    let refused = async {
        let forged = as_header(&walk.purse.forge(&offer)?.v2(bill))?;
        let answer = walk.server.get(&url, &[(header::PAYMENT_SIGNATURE, &forged)]).await?.is(402)?;
        let outcome = answer.decoded(header::PAYMENT_RESPONSE)?;
        must(outcome["success"] == false, "PAYMENT-RESPONSE does not say success: false")?;
        must(outcome["errorReason"].is_string(), "PAYMENT-RESPONSE has no errorReason")?;
        v2(&answer.decoded(header::PAYMENT_REQUIRED)?)
    };
    let refused = refused.await;
    walk.report.rule(ERRORS, rule, refused);
}

/// An upgrade without token and payment.
pub(crate) async fn upgrade(walk: &mut Walk, ws: &Url) {
    let answered = walk.server.open(ws, &[]).await.and_then(|opened: Opened| {
        let bill = opened.refused(402)?.decoded(header::PAYMENT_REQUIRED)?;
        v2(&bill)
    });
    walk.report.rule(
        REQUIRED,
        "an upgrade without token and payment is answered 402 with the same bill",
        answered,
    );
}
