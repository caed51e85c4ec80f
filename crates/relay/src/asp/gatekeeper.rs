//! Who somebody is: access token and DPoP proof (RFC 9449), each proof once.

use super::access::{Access, AccessKey};
use super::client::{AspClient, AspClients};
use super::error::Failed;
use crate::notes::{Notes, Topic};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tollwire_asp::{Code, SigningKey};
use tollwire_ledger::Timestamp;
use tollwire_session::dpop::{self, Proof, REPLAY_SECS, Request};

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) id: String,
    pub(crate) client: AspClient,
    /// When the token ends, in Unix seconds.
    pub(crate) exp: u64,
}

/// Looks at tokens and proofs.
pub(crate) struct Gatekeeper {
    key: AccessKey,
    clients: RwLock<Arc<AspClients>>,
    notes: Arc<dyn Notes>,
    reuse: Duration,
}

impl Gatekeeper {
    pub(crate) fn new(key: &SigningKey, clients: AspClients, notes: Arc<dyn Notes>, reuse: Duration) -> Self {
        Self { key: AccessKey::of(key), clients: RwLock::new(Arc::new(clients)), notes, reuse }
    }

    /// The clients that are known now.
    pub(crate) fn clients(&self) -> Arc<AspClients> {
        Arc::clone(&self.clients.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Knows others from now on; those that were known until now.
    pub(crate) fn configure(&self, clients: AspClients) -> Arc<AspClients> {
        let mut known = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, Arc::new(clients))
    }

    /// An access token for a client that shows its secret and a proof of the key that the token is bound to.
    pub(crate) async fn issue(
        &self,
        (id, secret): (&str, &str),
        (proof, url): (&str, &str),
        ttl: Duration,
        now: Timestamp,
    ) -> Result<String, Failed> {
        let known = self.clients().get(id).is_some_and(|client| client.secret.admits(secret));
        if !known {
            return Err(Failed::new(Code::AuthFailed, "no client has this name and secret"));
        }
        let proof =
            dpop::verify(proof, &Request::new("POST", url), now.secs()).map_err(|error| invalid(&error))?;
        self.once(&proof, now).await?;
        let exp = now.after(ttl).secs();
        let access = Access { client: id.to_owned(), jkt: proof.jkt, exp };
        self.key.issue(&access).ok_or_else(|| Failed::new(Code::InternalError, "no token could be made"))
    }

    /// Who shows this token and this proof, for this method and URL.
    pub(crate) async fn admit(
        &self,
        (token, proof): (&str, &str),
        (method, url): (&str, &str),
        now: Timestamp,
    ) -> Result<Guest, Failed> {
        let unknown = || Failed::new(Code::AuthFailed, "this is no access token of this broker's");
        let access = self.key.read(token).ok_or_else(unknown)?;
        if access.exp <= now.secs() {
            return Err(Failed::new(Code::TokenExpired, "the access token has ended: get another"));
        }
        let client = self.clients().get(&access.client).cloned();
        // Nobody speaks for the operator by a token.
        let client = client.filter(|client| !client.agent.is_operator()).ok_or_else(unknown)?;
        let request = Request::new(method, url).with_token(token);
        let proof =
            dpop::verify_bound(proof, &request, &access.jkt, now.secs()).map_err(|error| invalid(&error))?;
        self.once(&proof, now).await?;
        Ok(Guest { id: access.client, client, exp: access.exp })
    }

    /// Notes that a proof was used, unless it was used before.
    async fn once(&self, proof: &Proof, now: Timestamp) -> Result<(), Failed> {
        let until = now.after(Duration::from_secs(REPLAY_SECS));
        let (name, used) = (proof.replay_key(), now.millis().to_string());
        let key = (Topic::Proofs, name.as_str());
        if self.notes.claim(key, used.into(), Some(until), now).await? {
            return Ok(());
        }
        if !self.reuse.is_zero()
            && let Some(first) = self.notes.get(key, now).await?
            && let Some(first) = std::str::from_utf8(&first).ok().and_then(|millis| millis.parse().ok())
            && now.since(Timestamp::from_millis(first)) <= self.reuse
        {
            return Ok(());
        }
        Err(Failed::new(Code::DpopReplayed, "this proof was used before: mint a new proof for each request"))
    }
}

fn invalid(error: &dpop::Error) -> Failed {
    Failed::new(Code::DpopInvalid, error.to_string())
}

impl std::fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gatekeeper").field("clients", &self.clients().len()).finish_non_exhaustive()
    }
}
