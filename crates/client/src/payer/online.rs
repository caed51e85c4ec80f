//! Asking about a session.

use super::Payer;
use crate::{Error, Receipt, Session};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tollwire_x402::json;

/// How a session stands, by the facilitator's books.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Balance {
    /// Whether it opens streams.
    pub active: bool,
    /// Units that nobody holds or has used.
    pub units_remaining: u64,
    /// Streams that are open now.
    pub live_streams: u64,
}

impl Payer {
    /// How a session stands.
    pub async fn balance(&self, session: &Session) -> Result<Balance, Error> {
        self.ask("balance", "/session", session).await
    }

    /// A usage receipt of a session, verified.
    pub async fn receipt(&self, session: &Session) -> Result<Receipt, Error> {
        #[derive(Deserialize)]
        struct Body {
            receipt: String,
        }
        let body: Body = self.ask("receipt", "/session/receipt", session).await?;
        self.verify(session, &body.receipt).await
    }

    /// Verifies what a facilitator says to be a receipt of a session.
    pub(crate) async fn verify(&self, session: &Session, jws: &str) -> Result<Receipt, Error> {
        let issuer = session.issuer.as_deref().unwrap_or_default();
        let keys = self.keys(session, false).await;
        let receipt = match Receipt::verify(jws, &keys, issuer) {
            Err(Error::Signed(tollwire_session::Error::UnknownKey)) => {
                Receipt::verify(jws, &self.keys(session, true).await, issuer)?
            }
            outcome => outcome?,
        };
        if receipt.claims().jti == session.jti {
            Ok(receipt)
        } else {
            Err(Error::Protocol("a receipt of another session".into()))
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        message: &'static str,
        route: &str,
        session: &Session,
    ) -> Result<T, Error> {
        let endpoint = session.route(route);
        let make = || self.request(&Method::GET, &endpoint, Some(session));
        let answer = self.0.http.send_until(make, |answer| !answer.is_temporary()).await?;
        if answer.status == StatusCode::OK {
            Ok(json::read(message, &answer.body)?)
        } else {
            Err(answer.refusal())
        }
    }
}
