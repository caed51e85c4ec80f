//! Sessions and their tokens, over HTTP.

use super::{Config, Error};
use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where sessions and their tokens are had, and what a person has set.
#[derive(Clone)]
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
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Result<Bytes, StatusCode>, Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.map(Value::to_string).unwrap_or_default()))
            .map_err(|_| Error::Url("it cannot be asked for"))?;
        let answer = self.http.send(request).await.map_err(|error| Error::Refused(error.to_string()))?;
        Ok(if answer.status.is_success() { Ok(answer.body) } else { Err(answer.status) })
    }

    /// Has another token made.
    pub(super) async fn post(&self, path: &str) -> Result<Result<Opened, StatusCode>, Error> {
        match self.ask(Method::POST, path, None).await? {
            Ok(body) => Ok(Ok(read(&body)?)),
            Err(status) => Ok(Err(status)),
        }
    }

    pub(super) async fn begin(&self) -> Result<Opened, Error> {
        self.post("/api/sessions").await?.map_err(refused)
    }

    /// Asks for something that must be given.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Error> {
        read(&self.ask(method, path, body).await?.map_err(refused)?)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Refused("the answer cannot be read".to_owned()))
}

fn refused(status: StatusCode) -> Error {
    Error::Refused(format!("status {status}"))
}
