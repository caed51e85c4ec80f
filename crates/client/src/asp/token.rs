//! Access tokens, and the proofs that go with them.

use super::Config;
use super::account::{protocol, read};
use crate::Error;
use crate::http_client::HttpClient;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tollwire_session::dpop;

/// How long before its end a token is replaced; one of less than twice that, after half its life.
const BEFORE_END: Duration = Duration::from_secs(30);

/// Where tokens are had.
const PATH: &str = "/oauth/token";

/// An access token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: Arc<str>,
    /// From then on another one is had.
    pub(super) until: Instant,
}

/// The one token of an account.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Option<Token>>);

impl Tokens {
    /// A token that is good for a while.
    pub(super) async fn get(&self, config: &Config, http: &HttpClient) -> Result<Token, Error> {
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.clone());
        }
        let token = ask(config, http).await?;
        *kept = Some(token.clone());
        Ok(token)
    }

    /// This one is not good any more.
    pub(super) async fn forget(&self, token: &Token) {
        let mut kept = self.0.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.text == token.text) {
            *kept = None;
        }
    }
}

async fn ask(config: &Config, http: &HttpClient) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: u64,
    }
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &config.client_id)
        .append_pair("client_secret", &config.client_secret)
        .finish();
    let request = Request::post(config.url(PATH))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("dpop", config.proof("POST", PATH, None)?)
        .body(Full::new(Bytes::from(form)));
    let request = request.map_err(|_| Error::Url("it cannot be asked for"))?;
    let granted = read(&http.send(request).await?)?;
    let Granted { access_token, expires_in } =
        serde_json::from_slice(&granted).map_err(|_| protocol("no access_token"))?;
    let lives = Duration::from_secs(expires_in);
    Ok(Token {
        text: access_token.into(),
        until: Instant::now() + lives.saturating_sub(BEFORE_END).max(lives / 2),
    })
}

impl Config {
    /// Where a path of the broker's is asked for.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.trim_end_matches('/'))
    }

    /// A fresh proof, for one request.
    pub(super) fn proof(&self, method: &str, path: &str, token: Option<&str>) -> Result<String, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Error::Random)?;
        let base = self.public_url.as_ref().unwrap_or(&self.base_url).trim_end_matches('/');
        let url = format!("{base}{path}");
        let request = dpop::Request::new(method, &url);
        let request = match token {
            Some(token) => request.with_token(token),
            None => request,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(self.key.prove(&request, now, &hex::encode(random))?)
    }
}
