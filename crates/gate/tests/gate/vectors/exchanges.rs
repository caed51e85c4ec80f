//! HTTP requests, in order, and the status that each must get. Some open streams or pay, so the order matters.

use super::file::{Exchange, Request, Response};
use super::stage::{self, NOW, SLOW, Stage, as_header, foreign, payment, signed, stream_token, token};
use crate::support::v1_header;
use std::collections::BTreeMap;
use tollwire_session::Claims;
use tollwire_x402::header;

const SESSION: &str = "/feeds/ticks/session";
const WS: &str = "/feeds/ticks/ws";
const TOP_UP: &str = "/session/top-up";

const REQUIRED: &str = "Payment Required Signaling";
const PAYLOAD: &str = "Payment Payload Transmission";
const DELIVERY: &str = "Settlement Response Delivery";
const ERRORS: &str = "Error Handling";

/// A secret of the agent's choice.
const CLAIM: (&str, &str) = (header::TOLLWIRE_CLAIM, "5f3c2a1b-a-secret-of-the-agents-own-choice");

type Headers<'a> = &'a [(&'a str, &'a str)];

fn exchange(
    name: impl Into<String>,
    section: &str,
    (method, target, headers): (&str, &str, Headers<'_>),
    status: u16,
) -> Exchange {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Exchange {
        name: name.into(),
        section: section.to_owned(),
        request: Request { method: method.to_owned(), target: target.to_owned(), headers },
        response: Response { status, ..Response::default() },
    }
}

/// An upgrade, with the key of RFC 6455, section 1.3.
fn upgrade(name: impl Into<String>, section: &str, target: &str, more: Headers<'_>, status: u16) -> Exchange {
    let mut exchange = exchange(name, section, ("GET", target, more), status);
    let lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    exchange.request.headers.extend(BTreeMap::from(lines.map(|(name, value)| (name.into(), value.into()))));
    exchange
}

const fn v2(value: &str) -> [(&str, &str); 1] {
    [(header::PAYMENT_SIGNATURE, value)]
}

pub(crate) async fn all(stage: &Stage) -> Vec<Exchange> {
    let mut all = purchases(stage).await;
    all.extend(refused_tokens());
    all.extend(openings(stage).await);
    all.extend(top_ups(stage).await);
    all.push(exchange(
        "the keys that sign tokens, control messages and receipts",
        REQUIRED,
        ("GET", "/.well-known/jwks.json", &[]),
        200,
    ));
    all
}

async fn purchases(stage: &Stage) -> Vec<Exchange> {
    let (offer, smallest) = (stage.offer("ticks", 100_000).await, stage.offer("ticks", 10_000).await);
    let first = as_header(&payment(stage, &offer, 1));
    let pay = [(header::PAYMENT_SIGNATURE, first.as_str()), CLAIM];
    let mut bent = payment(stage, &offer, 2);
    // Another nonce than the one that was signed.
    bent["payload"]["authorization"]["nonce"] = format!("0x{}", "09".repeat(32)).into();
    let bent = as_header(&bent);
    let legacy = v1_header(&stage.wallet(stage::PAYER).sign(&smallest, 3));
    let slow = as_header(&payment(stage, &smallest, 4));
    let (first, bent, slow) = (first.as_str(), bent.as_str(), slow.as_str());
    vec![
        exchange(
            "an unpaid request is told the bill, for clients of both versions",
            REQUIRED,
            ("GET", SESSION, &[]),
            402,
        ),
        upgrade("an unpaid upgrade is told the same", REQUIRED, WS, &[], 402),
        exchange("a v2 payment buys a session", DELIVERY, ("GET", SESSION, &pay), 200),
        exchange(
            "the same payment with its claim is the same session",
            DELIVERY,
            ("GET", SESSION, &pay),
            200,
        ),
        exchange("the same payment without proof shows nothing", DELIVERY, ("GET", SESSION, &v2(first)), 401),
        exchange("the same payment for another feed", ERRORS, ("GET", "/feeds/other/session", &pay), 409),
        exchange(
            "a v1 payment buys a session",
            DELIVERY,
            ("GET", SESSION, &[(header::X_PAYMENT, legacy.as_str())]),
            200,
        ),
        exchange("a payment that its payer did not sign", ERRORS, ("GET", SESSION, &v2(bent)), 402),
        exchange("a payment header that is no payment", ERRORS, ("GET", SESSION, &v2("e30=")), 400),
        exchange("a payment header that is not base64", ERRORS, ("GET", SESSION, &v2("%")), 400),
        exchange(SLOW, ERRORS, ("GET", SESSION, &v2(slow)), 503),
    ]
}

/// Token by token, in the order of the checks.
fn refused_tokens() -> Vec<Exchange> {
    let good = token("open", |_| {});
    let mut bent = good.clone();
    bent.pop();
    let payload = good.split('.').nth(1).unwrap_or_default();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let expired = |claims: &mut Claims| {
        (claims.iat, claims.nbf, claims.exp) = (NOW - 7200, NOW - 7200, NOW - 3600);
    };
    let elsewhere = "7d444840-9dc0-4acd-b245-5ffdce74faff";
    let cases: [(&str, String, u16); 13] = [
        ("a token that is none", "x".into(), 401),
        ("a token whose signature lacks a character", bent, 401),
        ("a token with alg none", unsigned, 401),
        ("a token by another key", signed(foreign(), "open", |_| {}), 401),
        (
            "an expired token by another key: the signature comes first",
            signed(foreign(), "open", expired),
            401,
        ),
        ("a stream token, which is for upstreams", stream_token(), 401),
        ("a token of another issuer", token("open", |c| c.iss = "https://else.example".into()), 401),
        ("a token for another audience", token("open", |c| c.aud = "https://else.example".into()), 401),
        ("an expired token", token("open", expired), 403),
        ("a token that is not valid yet", token("open", |c| (c.iat, c.nbf) = (NOW + 600, NOW + 600)), 403),
        ("a token for another feed", token("open", |c| c.feed = "other".parse().unwrap()), 403),
        (
            "a token of a session that nobody knows",
            token("open", |c| c.jti = elsewhere.parse().unwrap()),
            401,
        ),
        ("a token of a revoked session", token("revoked", |_| {}), 401),
    ];
    let bearer = |token: &str| format!("Bearer {token}");
    cases
        .map(|(name, token, status)| upgrade(name, ERRORS, WS, &[("authorization", &bearer(&token))], status))
        .into()
}

async fn openings(stage: &Stage) -> Vec<Exchange> {
    let (open, spent) = (token("open", |_| {}), token("spent", |_| {}));
    let bearer = |token: &str| format!("Bearer {token}");
    let by_query = |token: &str, more: &str| format!("{WS}?token={token}{more}");
    let payment = as_header(&payment(stage, &stage.offer("ticks", 10_000).await, 5));
    let pay = [(header::PAYMENT_SIGNATURE, payment.as_str()), CLAIM];
    let authorized = bearer(&open);
    let offered =
        [("authorization", authorized.as_str()), ("sec-websocket-extensions", "permessage-deflate")];
    vec![
        upgrade("a token in the header opens a stream", PAYLOAD, WS, &[("authorization", &authorized)], 101),
        upgrade("a token in the query opens a stream", PAYLOAD, &by_query(&open, ""), &[], 101),
        upgrade(
            "with control=v1 no extension is agreed on",
            REQUIRED,
            &format!("{WS}?control=v1"),
            &offered,
            101,
        ),
        upgrade(
            "a token in both places",
            ERRORS,
            &by_query(&open, ""),
            &[("authorization", &authorized)],
            400,
        ),
        upgrade("a token and a payment", ERRORS, &by_query(&open, ""), &pay[..1], 400),
        upgrade("a control mode that is not known", ERRORS, &by_query(&open, "&control=v2"), &[], 400),
        upgrade("nothing is left", ERRORS, WS, &[("authorization", &bearer(&spent))], 403),
        upgrade("nothing is left, with control=v1", ERRORS, &by_query(&spent, "&control=v1"), &[], 101),
        exchange(
            "a payment at a stream's address without an upgrade is not taken",
            ERRORS,
            ("GET", WS, &pay),
            426,
        ),
        upgrade("a payment pays and upgrades in one go", DELIVERY, WS, &pay, 101),
    ]
}

async fn top_ups(stage: &Stage) -> Vec<Exchange> {
    let authorized = format!("Bearer {}", token("open", |_| {}));
    let authorized = ("authorization", authorized.as_str());
    let payment = as_header(&payment(stage, &stage.offer("ticks", 100_000).await, 6));
    let pay = (header::PAYMENT_SIGNATURE, payment.as_str());
    vec![
        exchange("a top-up without a token", ERRORS, ("POST", TOP_UP, &[]), 401),
        exchange(
            "a top-up without a payment is told the bill",
            REQUIRED,
            ("POST", TOP_UP, &[authorized]),
            402,
        ),
        exchange("a top-up adds to its session", DELIVERY, ("POST", TOP_UP, &[authorized, pay, CLAIM]), 200),
        exchange(
            "the same top-up adds nothing more",
            DELIVERY,
            ("POST", TOP_UP, &[authorized, pay, CLAIM]),
            200,
        ),
        exchange("a top-up's payment buys no session", ERRORS, ("GET", SESSION, &[pay, CLAIM]), 409),
    ]
}
