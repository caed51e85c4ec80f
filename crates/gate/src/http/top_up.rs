//! `POST /session/top-up`: the bill for more units; with a payment, the session with more units.

use super::answer::Answer;
use super::bill::{Asked, refusal};
use super::credentials::required;
use super::problem::problem;
use super::route::TOP_UP;
use super::session::paid_answer;
use crate::error::Error;
use crate::gate::Gate;
use crate::offers::Sale;
use crate::pay::{Paid, check_living};
use crate::payment::Presented;
use http::request::Parts;
use std::net::IpAddr;
use tollwire_session::Claims;

pub(super) async fn post(gate: &Gate, parts: &Parts) -> Answer {
    let admitted = async {
        let claims = gate.holder(parts, TOP_UP, &required(&parts.headers)?).await?;
        let session = gate.ledger.session(&claims.jti).await?.ok_or(Error::SessionUnknown)?;
        check_living(&session, gate.clock.now())?;
        Ok((claims, session))
    };
    let (claims, session) = match admitted.await {
        Ok(admitted) => admitted,
        Err(error) => return problem(&error).into_answer(),
    };
    match pay(gate, &claims, parts).await {
        Ok(paid) => paid_answer(gate, &paid),
        Err(error) => {
            let sale = Sale::TopUp(&claims.jti, &session);
            refusal(gate, Asked { sale, ..Asked::new(&session.feed, TOP_UP) }, &error).await
        }
    }
}

async fn pay(gate: &Gate, claims: &Claims, parts: &Parts) -> Result<Paid, Error> {
    let mut presented = Presented::read(&parts.headers)?.ok_or(Error::PaymentRequired)?;
    let _pass = gate.pass(parts.extensions.get::<IpAddr>().copied())?;
    // Whoever may use a bound session has shown its key by now.
    presented.proofs.key.clone_from(&claims.jkt);
    gate.top_up(&claims.jti, &presented).await
}
