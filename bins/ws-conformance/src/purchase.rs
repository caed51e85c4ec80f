//! Payments: for a session, by both versions, at the upgrade, and for more units.

use crate::purse::{Payment, as_header};
use crate::report::{DELIVERY, ERRORS, Kept, PAYLOAD, REQUIRED, must};
use crate::server::{Answer, Lines, decoded};
use crate::session::{Keys, Session};
use crate::unpaid;
use crate::walk::Walk;
use http::Method;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tollwire_x402::{Network, header};
use url::Url;

const TOO_DEAR: &str = "no offer can be paid within --max on these networks";

/// Sends a payment until it is known what became of it: 503 asks for the same payment again.
async fn settled(walk: &Walk, method: Method, url: &Url, lines: Lines<'_>) -> Result<Answer, String> {
    let until = Instant::now() + walk.server.patience;
    loop {
        let answer = walk.server.send(method.clone(), url, lines).await?;
        if answer.status != 503 || Instant::now() >= until {
            return Ok(answer);
        }
        let after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        sleep(Duration::from_secs(after.unwrap_or(1).clamp(1, 10))).await;
    }
}

/// Buys the session that most rules are looked at with, and presents its payment again in every way.
pub(crate) async fn purchase(
    walk: &mut Walk,
    bill: &Value,
    keys: Option<&Keys>,
) -> Option<(Session, Payment)> {
    let rule = "a paid session request is answered 200";
    let Some(offer) = walk.purse.generous(bill) else {
        walk.report.skip(DELIVERY, rule, TOO_DEAR);
        return None;
    };
    let url = walk.server.session.clone();
    let bought = async {
        let payment = walk.purse.pay(&offer)?;
        let value = as_header(&payment.v2(bill))?;
        let answer = settled(walk, Method::GET, &url, &[(header::PAYMENT_SIGNATURE, &value)]).await?;
        Ok((payment, value, answer.is(200)?))
    };
    let bought: Result<_, String> = bought.await;
    let (payment, value, answer) = match bought {
        Ok(bought) => bought,
        Err(why) => {
            walk.report.rule(DELIVERY, rule, Err(why));
            return None;
        }
    };
    walk.report.rule(DELIVERY, rule, Ok(()));
    let outcome = outcome(&answer, header::PAYMENT_RESPONSE, &offer);
    walk.report.rule(
        DELIVERY,
        "its PAYMENT-RESPONSE names the transaction, the network and the payer",
        outcome,
    );
    let stored =
        answer.headers.get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kept =
        must(stored.contains("no-store") && stored.contains("private"), format!("Cache-Control: {stored}"));
    walk.report.rule(DELIVERY, "nobody on the way may store it: Cache-Control: private, no-store", kept);
    let session = Session::read(&answer);
    let read = session.as_ref().map(drop).map_err(Clone::clone);
    walk.report.rule(DELIVERY, "its body names token, token_type, expires_at, ws_url and session", read);
    let session = session.ok()?;
    let rule = "the token is a JWT of this session, signed by a published key";
    match keys {
        Some(keys) => walk.report.rule(DELIVERY, rule, keys.token(&session.token, &session.jti).map(drop)),
        None => walk.report.skip(DELIVERY, rule, "there are no keys"),
    }
    again(walk, &url, (&payment, &value), &session).await;
    unpaid::upgrade(walk, &session.ws).await;
    Some((session, payment))
}

/// What a settled payment's header must say.
fn outcome(answer: &Answer, name: &'static str, offer: &Value) -> Kept {
    let outcome = answer.decoded(name)?;
    must(outcome["success"] == true, format!("no success: true in {outcome}"))?;
    must(outcome["transaction"].as_str().is_some_and(|hash| !hash.is_empty()), "no transaction")?;
    must(outcome["payer"].is_string(), "no payer")?;
    let network = offer["network"].as_str().and_then(|text| text.parse::<Network>().ok());
    let names = [offer["network"].as_str(), network.and_then(Network::v1_name)];
    must(names.contains(&outcome["network"].as_str()), format!("network {}", outcome["network"]))
}

/// A payment presented again is never charged again, and shows its session only to its payer.
async fn again(walk: &mut Walk, url: &Url, (payment, value): (&Payment, &str), session: &Session) {
    let same = walk.server.get(url, &[(header::PAYMENT_SIGNATURE, value)]).await;
    let same = same.and_then(|answer| Session::read(&answer.is(200)?)).and_then(|again| {
        must(again.jti == session.jti, "another session")?;
        must(again.deposited == session.deposited, "it was counted again")
    });
    walk.report.rule(DELIVERY, "the same payment with its quote is answered with the same session", same);
    let stranger = async {
        let alone = as_header(&payment.v2_alone())?;
        let answer = walk.server.get(url, &[(header::PAYMENT_SIGNATURE, &alone)]).await?.is(401)?;
        let told = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
        must(!told.contains(session.jti.as_str()) && !told.contains("eyJ"), "the answer shows the session")
    };
    let stranger = stranger.await;
    walk.report.rule(
        DELIVERY,
        "without any proof it is answered 401, and shows nothing of the session",
        stranger,
    );
}

/// A v1 client pays, the cheapest offer.
pub(crate) async fn legacy(walk: &mut Walk, bill: &Value) -> Option<Session> {
    let rule = "a v1 payment buys a session, and is answered with X-PAYMENT-RESPONSE";
    let url = walk.server.session.clone();
    let offered = async {
        let body = walk.server.get(&url, &[]).await?.json()?;
        let named = |offer: &Value| {
            let network: Network = offer["network"].as_str()?.parse().ok()?;
            let name = network.v1_name()?;
            let known = body["accepts"]
                .as_array()?
                .iter()
                .any(|legacy| legacy["network"] == name && legacy["maxAmountRequired"] == offer["amount"]);
            known.then_some(name)
        };
        let fit = walk.purse.affordable(bill);
        Ok(fit.into_iter().find_map(|offer| named(&offer).map(|name| (name, offer))))
    };
    let offered: Result<_, String> = offered.await;
    let (network, offer) = match offered {
        Ok(Some(offered)) => offered,
        Ok(None) => {
            walk.report.skip(DELIVERY, rule, "the v1 body offers nothing that can be paid within --max");
            return None;
        }
        Err(why) => {
            walk.report.rule(DELIVERY, rule, Err(why));
            return None;
        }
    };
    let bought = async {
        let value = as_header(&walk.purse.pay(&offer)?.v1(network))?;
        let answer = settled(walk, Method::GET, &url, &[(header::X_PAYMENT, &value)]).await?.is(200)?;
        outcome(&answer, header::X_PAYMENT_RESPONSE, &offer)?;
        Session::read(&answer)
    };
    let bought: Result<Session, String> = bought.await;
    walk.report.rule(DELIVERY, rule, bought.as_ref().map(drop).map_err(Clone::clone));
    bought.ok()
}

/// Pays and upgrades in one go, the cheapest offer.
pub(crate) async fn at_the_upgrade(walk: &mut Walk, bill: &Value, ws: &Url) -> Option<Session> {
    let rule = "a payment at the upgrade is answered 101, PAYMENT-RESPONSE with the token in its extensions";
    let Some(offer) = walk.purse.affordable(bill).into_iter().next() else {
        walk.report.skip(DELIVERY, rule, TOO_DEAR);
        return None;
    };
    let opened = async {
        let value = as_header(&walk.purse.pay(&offer)?.v2(bill))?;
        let (stream, headers) =
            walk.server.open(ws, &[(header::PAYMENT_SIGNATURE, &value)]).await?.stream()?;
        stream.close().await;
        let outcome = decoded(&headers, header::PAYMENT_RESPONSE)?;
        must(outcome["success"] == true, "no success: true")?;
        let info = &outcome["extensions"]["tollwire-session"]["info"];
        let token = info["token"].as_str().ok_or("no token in the extensions")?.to_owned();
        must(info["expiresAt"].is_string(), "no expiresAt in the extensions")?;
        let claims = crate::session::claims(&token)?;
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        let jti = text("jti").parse().map_err(|error| format!("jti: {error}"))?;
        let units = claims["streams_remaining"].as_u64().unwrap_or(u64::MAX);
        Ok(Session { token, jti, unit: text("unit"), units, deposited: text("deposited"), ws: ws.clone() })
    };
    let opened: Result<Session, String> = opened.await;
    walk.report.rule(DELIVERY, rule, opened.as_ref().map(drop).map_err(Clone::clone));
    opened.ok()
}

/// More units for a session in use, over HTTP.
pub(crate) async fn top_up(walk: &mut Walk, keys: &Keys, session: &Session) {
    let url = match keys.top_up() {
        Ok(url) => url,
        Err(why) => return walk.report.rule(REQUIRED, "there is a top-up resource", Err(why)),
    };
    let alone = walk.server.send(Method::POST, &url, &[]).await.and_then(|answer| answer.is(401)).map(drop);
    walk.report.rule(ERRORS, "a top-up without a token is answered 401", alone);
    let bearer = session.bearer();
    let authorized = ("authorization", bearer.as_str());
    let bill = match walk.server.send(Method::POST, &url, &[authorized]).await.and_then(|answer| {
        let bill = answer.is(402)?.decoded(header::PAYMENT_REQUIRED)?;
        unpaid::v2(&bill).map(|()| bill)
    }) {
        Ok(bill) => bill,
        Err(why) => return walk.report.rule(REQUIRED, "an unpaid top-up is answered 402", Err(why)),
    };
    walk.report.rule(REQUIRED, "an unpaid top-up is answered 402", Ok(()));
    let rule = "a paid top-up adds to the same session, whose live streams go on";
    let Some(offer) = walk.purse.affordable(&bill).into_iter().next() else {
        return walk.report.skip(PAYLOAD, rule, TOO_DEAR);
    };
    let added = async {
        let (mut live, _) = walk.server.open(&session.ws, &[authorized]).await?.stream()?;
        let value = as_header(&walk.purse.pay(&offer)?.v2(&bill))?;
        let paid = [authorized, (header::PAYMENT_SIGNATURE, value.as_str())];
        let more = Session::read(&settled(walk, Method::POST, &url, &paid).await?.is(200)?)?;
        must(more.jti == session.jti, "another session")?;
        must(more.deposited != session.deposited, "the session's deposit is what it was")?;
        keys.token(&more.token, &session.jti)?;
        let again = Session::read(&settled(walk, Method::POST, &url, &paid).await?.is(200)?)?;
        must(again.deposited == more.deposited, "the same payment was counted twice")?;
        crate::talk::goes_on(&mut live).await?;
        live.close().await;
        Ok(value)
    };
    let added: Result<String, String> = added.await;
    walk.report.rule(PAYLOAD, rule, added.as_ref().map(drop).map_err(Clone::clone));
    let Ok(value) = added else { return };
    let elsewhere = walk.server.get(&walk.server.session, &[(header::PAYMENT_SIGNATURE, &value)]).await;
    let elsewhere = elsewhere.and_then(|answer| answer.is(409)).map(drop);
    walk.report.rule(ERRORS, "a payment that was made for something else is answered 409", elsewhere);
}
