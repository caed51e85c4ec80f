//! Sessions and their tokens, over HTTP.

use super::{Config, Error};
use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;

/// Where sessions and their tokens are had.
pub(super) struct Desk {
    http: HttpClient,
    /// Without a slash at its end.
    pub(super) base: String,
    bearer: HeaderValue,
}

#[derive(Deserialize)]
pub(super) struct Opened {
    pub(super) session_id: String,
    pub(super) token: String,
}

impl Desk {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let tls = |error: crate::Error| Error::Tls(error.to_string());
        let wrong = |_| Error::Url("write https://HOST of a relay-broker");
        let base = Endpoint::http(&config.url, config.allow_plain).map_err(wrong)?;
        let mut of_http = crate::Config::new([]);
        of_http.roots_pem.clone_from(&config.roots_pem);
        let bearer = HeaderValue::try_from(format!("Bearer {}", config.key));
        let mut bearer = bearer.map_err(|_| Error::Url("the key cannot stand in a header"))?;
        bearer.set_sensitive(true);
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http: HttpClient::new(&of_http).map_err(tls)?, base, bearer })
    }

    /// Asks; the outer error means that there was no answer.
    pub(super) async fn post(&self, path: &str) -> Result<Result<Opened, StatusCode>, Error> {
        let request = Request::post(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::default())
            .map_err(|_| Error::Url("it cannot be asked for"))?;
        let answer = self.http.send(request).await.map_err(|error| Error::Refused(error.to_string()))?;
        if !answer.status.is_success() {
            return Ok(Err(answer.status));
        }
        let opened = serde_json::from_slice(&answer.body);
        opened.map(Ok).map_err(|_| Error::Refused("the answer cannot be read".to_owned()))
    }

    pub(super) async fn begin(&self) -> Result<Opened, Error> {
        self.post("/api/sessions").await?.map_err(|status| Error::Refused(format!("status {status}")))
    }
}
