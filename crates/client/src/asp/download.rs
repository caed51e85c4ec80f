//! Exported sessions and published keys, which anybody may read.

use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;
use crate::{Config, Error};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

/// How something is read.
#[derive(Debug, Clone)]
pub struct Download {
    /// Further certificate authorities to trust, as PEM, beside the Mozilla set.
    pub roots_pem: Option<String>,
    /// Whether plain `http:` may be used with hosts other than this machine. What comes that way may be anybody's.
    pub allow_plain: bool,
    /// The longest text, in bytes.
    pub bytes_max: usize,
}

impl Default for Download {
    fn default() -> Self {
        Self { roots_pem: None, allow_plain: false, bytes_max: 64 * 1024 * 1024 }
    }
}

/// Reads a text that anybody may read. Redirects are not followed.
pub async fn download(url: &str, how: &Download) -> Result<String, Error> {
    let endpoint = Endpoint::http(url, how.allow_plain)?;
    let mut config = Config::new([]);
    config.roots_pem.clone_from(&how.roots_pem);
    let http = HttpClient::new(&config)?.reading(how.bytes_max);
    let request = Request::get(endpoint.as_str()).body(Full::<Bytes>::default());
    let request = request.map_err(|_| Error::Url("it cannot be asked for"))?;
    let answer = http.send(request).await?;
    if !answer.status.is_success() {
        return Err(Error::Unreachable(format!("status {}", answer.status)));
    }
    String::from_utf8(answer.body.to_vec()).map_err(|_| Error::Unreachable("it is no text".to_owned()))
}
