//! Which tokens open streams, and what the others are answered.

use crate::purse::as_header;
use crate::report::{ERRORS, PAYLOAD, must};
use crate::session::{Session, claims};
use crate::walk::Walk;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollwire_x402::header;

/// Opens by header and by query, and tries what must not open.
pub(crate) async fn tokens(walk: &mut Walk, bill: &Value, session: &Session) {
    let bearer = session.bearer();
    let authorized = ("authorization", bearer.as_str());
    let by_query = session.at(&[("token", &session.token)]);
    for (rule, url, lines) in [
        ("a token in Authorization opens a stream", &session.ws, &[authorized][..]),
        ("a token in ?token= opens a stream", &by_query, &[]),
    ] {
        let opened = async {
            let (stream, _) = walk.server.open(url, lines).await?.stream()?;
            stream.close().await;
            Ok(())
        };
        let opened = opened.await;
        walk.report.rule(PAYLOAD, rule, opened);
    }
    let both = walk.server.open(&by_query, &[authorized]).await;
    let both = both.and_then(|opened| opened.refused(400)).map(drop);
    walk.report.rule(ERRORS, "a token in both places is answered 400", both);
    let rule = "a token beside a payment is answered 400, and the payment is not taken";
    match walk.purse.affordable(bill).into_iter().next() {
        None => walk.report.skip(ERRORS, rule, "no offer can be paid within --max on these networks"),
        Some(offer) => {
            let refused = async {
                // It moves no money, whatever the server does with it.
                let forged = as_header(&walk.purse.forge(&offer)?.v2(bill))?;
                let opened = walk.server.open(&by_query, &[(header::PAYMENT_SIGNATURE, &forged)]).await?;
                let answer = opened.refused(400)?;
                must(!answer.headers.contains_key(header::PAYMENT_RESPONSE), "there is a PAYMENT-RESPONSE")
            };
            let refused = refused.await;
            walk.report.rule(ERRORS, rule, refused);
        }
    }
    forged(walk, session).await;
}

/// Tokens that nobody signed. The signature is looked at first: what such a token says does not count, so that none of
/// them is answered 403.
async fn forged(walk: &mut Walk, session: &Session) {
    let cases = match cases(&session.token) {
        Ok(cases) => cases,
        Err(why) => return walk.report.rule(ERRORS, "the token is a compact JWS", Err(why)),
    };
    for (rule, token) in cases {
        let bearer = format!("Bearer {token}");
        let refused = walk.server.open(&session.ws, &[("authorization", &bearer)]).await;
        let refused = refused.and_then(|opened| {
            let answer = opened.refused(401)?;
            must(answer.headers.contains_key("www-authenticate"), "a 401 without WWW-Authenticate")
        });
        walk.report.rule(ERRORS, rule, refused);
    }
}

fn cases(token: &str) -> Result<[(&'static str, String); 5], String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
    let (head, payload) = signed.split_once('.').ok_or("no payload")?;
    let said = claims(token)?;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut said = said.clone();
        change(&mut said);
        format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(said.to_string()))
    };
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let bent = format!("{signed}.{other}{}", signature.get(1..).unwrap_or_default());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    Ok([
        ("a token that is none is answered 401", "x".into()),
        ("a token whose signature is wrong is answered 401", bent),
        ("a token with alg none is answered 401", format!("{none}.{payload}.")),
        (
            "a token made to look expired is answered 401: its signature is looked at first",
            changed(&|said| said["exp"] = json!(1)),
        ),
        (
            "a token made for another feed is answered 401: its signature is looked at first",
            changed(&|said| said["feed"] = json!("another")),
        ),
    ])
}
