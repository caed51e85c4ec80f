//! Sets up a verifier: which facilitator, which tokens, and where the keys come from.

use crate::Error;
use crate::fetch::{Client, join};
use crate::refresh::{Pace, Refresh, Source};
use crate::replay::Replays;
use crate::verifier::{Accept, Inner, Verifier};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tollwire_session::{JWKS_BYTES_MAX, KeySet, LEEWAY_MAX, STREAM_SECS_MAX, Verifier as Tokens, dpop};

/// How far clocks may differ unless told otherwise.
const LEEWAY: Duration = Duration::from_secs(30);

/// How many openings are remembered per generation unless told otherwise; about 200 bytes each.
const OPENINGS_MAX: usize = 262_144;

/// How often keys are fetched unless told otherwise.
const REFRESH: Duration = Duration::from_mins(5);

/// How long the first fetch of keys may take, with its repetitions.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the facilitator publishes its keys.
const WELL_KNOWN: &str = "/.well-known/jwks.json";

/// A verifier in the making. The last call says where the keys come from.
#[must_use]
pub struct VerifierBuilder {
    public_url: String,
    issuer: Option<String>,
    accept: Accept,
    leeway: Duration,
    openings_max: usize,
    patience: Duration,
    pace: Pace,
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl VerifierBuilder {
    pub(crate) fn new(public_url: &str) -> Self {
        Self {
            public_url: public_url.to_owned(),
            issuer: None,
            accept: Accept::default(),
            leeway: LEEWAY,
            openings_max: OPENINGS_MAX,
            patience: PATIENCE,
            pace: Pace::every(REFRESH),
            now: Arc::new(system_now),
        }
    }

    /// The facilitator's `[token] issuer`, where it is not its `public_url`.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// Which tokens to take: [`Accept::StreamTokens`] unless this says otherwise.
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// How far clocks may differ; 30 s by default, 60 s at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(LEEWAY_MAX);
        self
    }

    /// How many stream openings are remembered in each of two turns of about two minutes, and how many DPoP proofs in
    /// turns of about one; beyond that, openings are refused with 503. 262,144 by default.
    pub fn openings_max(mut self, openings: usize) -> Self {
        self.openings_max = openings;
        self
    }

    /// How often keys are fetched from a URL: 5 minutes by default, at least 100 ms. A token with an unknown key hastens
    /// it, to at most once in 10 s.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.pace = Pace::every(interval.max(Duration::from_millis(100)));
        self
    }

    /// How long the first fetch of keys may take, with its repetitions; 30 s by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A clock of one's own: Unix seconds.
    pub fn clock(mut self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    /// Uses the keys of this JWK Set.
    pub fn jwks_json(self, jwks: &str) -> Result<Verifier, Error> {
        let keys = KeySet::from_jwks(jwks).map_err(Error::Keys)?;
        if keys.is_empty() { Err(Error::NoKeys) } else { Ok(self.finish(keys, None)) }
    }

    /// Uses the keys of a file with a JWK Set, read once.
    pub fn jwks_file(self, path: impl AsRef<Path>) -> Result<Verifier, Error> {
        let path = path.as_ref();
        let text = read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        self.jwks_json(&text)
    }

    /// Fetches the keys from the facilitator, `{public_url}/.well-known/jwks.json`, now and again.
    pub async fn connect(self) -> Result<Verifier, Error> {
        let uri = join("public_url", &self.public_url, WELL_KNOWN)?;
        self.fetch(uri).await
    }

    /// Fetches the keys from this URL, now and again. What was fetched last stays in use while fetching fails.
    pub async fn jwks_url(self, url: &str) -> Result<Verifier, Error> {
        let uri = join("jwks_url", url, "")?;
        self.fetch(uri).await
    }

    async fn fetch(self, uri: http::Uri) -> Result<Verifier, Error> {
        let source = Source { client: Client::new()?, uri, pace: self.pace };
        let keys = source.first(self.patience).await?;
        Ok(self.finish(keys, Some(source)))
    }

    fn finish(self, keys: KeySet, source: Option<Source>) -> Verifier {
        let issuer = self.issuer.unwrap_or_else(|| self.public_url.clone());
        let tokens = Arc::new(Tokens::new(keys, issuer, self.public_url.clone(), self.leeway));
        // Accepted as early as the leeway before `iat`, as late as the leeway after `exp`.
        let life = self.leeway.as_secs().saturating_mul(2).saturating_add(STREAM_SECS_MAX);
        Verifier::assemble(Inner {
            refresh: source.map(|source| Refresh::spawn(source, tokens.clone())),
            tokens,
            accept: self.accept,
            openings: Replays::new(life, self.openings_max),
            proofs: Replays::new(dpop::REPLAY_SECS, self.openings_max),
            now: self.now,
            public_url: self.public_url.trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("public_url", &self.public_url)
            .field("accept", &self.accept)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let limit = u64::try_from(JWKS_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    std::fs::File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn system_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
