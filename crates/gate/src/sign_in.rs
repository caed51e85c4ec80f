//! Whether a wallet signed in: our challenge, its signature, a short time ago and for the first time.

use crate::error::Error;
use crate::gate::{Gate, random};
use crate::siwx::{CHALLENGE_TTL, Challenge, STATEMENT, SignIn};
use tollwire_ledger::Timestamp;
use tollwire_x402::FeedId;

impl Gate {
    /// Whether this payer signed in to a feed.
    pub(crate) async fn check_sign_in(
        &self,
        feed: &FeedId,
        sign_in: &SignIn,
        payer: &str,
    ) -> Result<(), Error> {
        let challenge = self.answered(feed, sign_in)?;
        if !sign_in.is_by(&challenge, payer) {
            return Err(Error::SignIn("the signature is not the payer's, or not over this challenge"));
        }
        self.use_challenge(sign_in).await
    }

    /// The address of the wallet that signed in to a feed.
    pub(crate) async fn check_signer(&self, feed: &FeedId, sign_in: &SignIn) -> Result<String, Error> {
        let challenge = self.answered(feed, sign_in)?;
        let signer = sign_in.signer(&challenge);
        let signer =
            signer.ok_or(Error::SignIn("the signature is not the wallet's, or not over this challenge"))?;
        self.use_challenge(sign_in).await?;
        Ok(signer)
    }

    /// A fresh challenge for a feed.
    pub(crate) fn challenge(&self, feed: &FeedId) -> Result<Challenge, Error> {
        let now = self.clock.now();
        let nonce = self.keys().challenge().mint(feed, now, random()?);
        let issued = Timestamp::from_millis(now.secs().saturating_mul(1000));
        Ok(self.challenge_for(feed, nonce, issued))
    }

    /// The challenge that a sign-in answers, if it is one of ours.
    fn answered(&self, feed: &FeedId, sign_in: &SignIn) -> Result<Challenge, Error> {
        let issued = self.keys().open_challenge(feed, sign_in.nonce(), self.clock.now());
        let issued = issued.ok_or(Error::SignIn("the challenge is not ours, or its time is over"))?;
        Ok(self.challenge_for(feed, sign_in.nonce().to_owned(), issued))
    }

    fn challenge_for(&self, feed: &FeedId, nonce: String, issued: Timestamp) -> Challenge {
        let uri = self.config.url(&format!("/feeds/{feed}/session"));
        Challenge { domain: self.config.domain(), uri, nonce, issued, statement: STATEMENT }
    }

    async fn use_challenge(&self, sign_in: &SignIn) -> Result<(), Error> {
        let key = format!("sign-in:{}", sign_in.nonce());
        if self.ledger.once(&key, CHALLENGE_TTL.saturating_mul(2)).await? {
            Ok(())
        } else {
            Err(Error::SignIn("the challenge was answered before"))
        }
    }
}
