//! Collecting by sign-in: who has neither the quote nor the claim of a payment shows its wallet, by x402's `sign-in-with-x`.
//!
//! The challenge is the gate's, stateless and good once; its key is made by the first broker of a store and shared by all.

use super::desk::Desk;
use crate::call::CallError;
use crate::store::{Change, Changed, FOR_EVER, Row, Rows, StoreError, fresh_version};
use std::sync::Arc;
use tokio::sync::OnceCell;
use tollwire_gate::siwx::{CHALLENGE_TTL, Challenge, ChallengeKey, EXTENSION, SignIn};
use tollwire_ledger::{Clock, Timestamp};
use tollwire_x402::{ApiId, FeedId, Network};
use url::Url;

/// The row of the key.
const KEY: &str = "sign-in-key";

/// What challenges are made for, whichever API; that is told apart by the URL in the message.
const SCOPE: &str = "relay";

/// The sentence that a wallet shows.
const STATEMENT: &str = "Sign in to collect the call you have paid for.";

/// Makes challenges and knows answers.
pub(super) struct SignIns {
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    key: OnceCell<ChallengeKey>,
    public_url: Url,
}

impl SignIns {
    pub(super) fn new(rows: Arc<dyn Rows>, clock: Arc<dyn Clock>, public_url: Url) -> Self {
        Self { rows, clock, key: OnceCell::new(), public_url }
    }

    /// The extension that a wallet answers.
    async fn extension(&self, api: &ApiId, networks: &[Network]) -> Result<serde_json::Value, CallError> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|_| CallError::CannotBePaid)?;
        let now = self.clock.now();
        let nonce = self.key().await?.mint(&scope()?, now, random);
        let issued = Timestamp::from_millis(now.secs().saturating_mul(1_000));
        Ok(serde_json::json!({ EXTENSION: self.challenge(api, nonce, issued).extension(networks) }))
    }

    /// Whether this payer signed a challenge of ours, for the first time.
    async fn is_by(&self, api: &ApiId, sign_in: &SignIn, payer: &str) -> Result<bool, CallError> {
        let now = self.clock.now();
        let nonce = sign_in.nonce().to_owned();
        let Some(issued) = self.key().await?.open(&scope()?, &nonce, now) else { return Ok(false) };
        if !sign_in.is_by(&self.challenge(api, nonce.clone(), issued), payer) {
            return Ok(false);
        }
        let used = Change {
            key: format!("sign-in/{nonce}"),
            from: None,
            to: Some(Row { version: fresh_version().map_err(unavailable)?, content: Vec::new() }),
            keep_until: now.after(CHALLENGE_TTL.saturating_mul(2)),
            due: None,
            alias: None,
        };
        Ok(self.rows.change(used).await.map_err(unavailable)? == Changed::Done)
    }

    fn challenge(&self, api: &ApiId, nonce: String, issued: Timestamp) -> Challenge {
        let host = self.public_url.host_str().unwrap_or_default();
        let port = self.public_url.port();
        Challenge {
            domain: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            uri: format!("{}/relay/{api}", self.public_url.as_str().trim_end_matches('/')),
            nonce,
            issued,
            statement: STATEMENT,
        }
    }

    async fn key(&self) -> Result<&ChallengeKey, CallError> {
        self.key.get_or_try_init(|| shared_key(&*self.rows)).await.map_err(unavailable)
    }
}

/// The key of a store; made if there is none.
async fn shared_key(rows: &dyn Rows) -> Result<ChallengeKey, StoreError> {
    let mut row = rows.row(KEY).await?;
    loop {
        if let Some(known) = &row {
            let key = <[u8; 32]>::try_from(known.content.as_slice());
            let key =
                key.map_err(|_| StoreError::Corrupt("sign-in key: 32 bytes were expected".to_owned()))?;
            return Ok(ChallengeKey::new(key));
        }
        let mut fresh = vec![0; 32];
        getrandom::fill(&mut fresh)
            .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
        let made = Row { version: fresh_version()?, content: fresh };
        let change = Change {
            key: KEY.to_owned(),
            from: None,
            to: Some(made.clone()),
            keep_until: FOR_EVER,
            due: None,
            alias: None,
        };
        row = match rows.change(change).await? {
            Changed::Done => Some(made),
            Changed::Moved(theirs) => theirs,
            Changed::Taken => rows.row(KEY).await?,
        };
    }
}

impl Desk {
    /// Whether a payment that was settled is its payer's who asks: by a sign-in. Else there is a challenge to answer.
    pub(super) async fn check_sign_in(
        &self,
        api: &ApiId,
        sign_in: Option<&SignIn>,
        payer: &str,
        networks: &[Network],
    ) -> Result<(), CallError> {
        if let Some(sign_in) = sign_in
            && self.sign_ins.is_by(api, sign_in, payer).await?
        {
            return Ok(());
        }
        Err(CallError::ProofRequired(Box::new(self.sign_ins.extension(api, networks).await?)))
    }
}

fn scope() -> Result<FeedId, CallError> {
    SCOPE.parse().map_err(|_| CallError::CannotBePaid)
}

#[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
fn unavailable(error: StoreError) -> CallError {
    tracing::warn!(%error, "a sign-in cannot be checked");
    CallError::StoreUnavailable
}
