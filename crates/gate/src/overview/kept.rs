//! One walk for all who ask at about the same time.

use super::Overview;
use crate::error::Error;
use crate::gate::Gate;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How old a walk may be, at least.
const FRESH: Duration = Duration::from_secs(1);

/// A walk is used for so many times as long as it took: walking takes at most a twentieth of one processor, however
/// many sessions there are and however many pages are open.
const TIMES: u32 = 20;

/// The last walk, and when it ended.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(Instant, Arc<Overview>)>>);

impl Gate {
    /// The books and the newest sessions, at most a second old, or twenty times as long as it takes to look. Who asks
    /// while somebody looks waits for the same answer.
    pub async fn overview(&self) -> Result<Arc<Overview>, Error> {
        let mut kept = self.overview.0.lock().await;
        if let Some((ended, overview)) = kept.as_ref()
            && ended.elapsed() < overview.took.saturating_mul(TIMES).max(FRESH)
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(self.walk().await?);
        *kept = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }
}
