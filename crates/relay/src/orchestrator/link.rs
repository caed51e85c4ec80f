//! One connection, as the runtime sees it; and getting to the session that it is for.

use super::hear;
use super::inner::{Inner, NODE_TTL};
use super::phase::State;
use super::record::{Owner, Record, key};
use super::say::ErrorType;
use super::seats::{News, Socket, Wanted};
use super::words::REVOKED;
use super::work::Work;
use crate::runtime::{Heard, Outbox, Protocol};
use crate::store::{Change, Changed, Row, StoreError, fresh_version};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tollwire_x402::close::CloseCode;

/// How often it is looked whether another broker lets a session go.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a connection that ends may still have its session, and how often that is looked at.
const FAREWELL: Duration = Duration::from_millis(500);
const LOOK_SOON: Duration = Duration::from_millis(25);

/// How long another broker, which has no person for it, may still work at a session.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection. Dropping it tells its session.
pub(super) struct Link {
    news: Option<mpsc::Sender<News>>,
    outbox: Option<Arc<Outbox>>,
    over: CancellationToken,
    frame_max: usize,
    content_max: usize,
}

/// Why a connection does not get to its session: what it is told, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) kind: Option<(ErrorType, &'static str)>,
    pub(super) code: CloseCode,
}

impl Refused {
    const fn with(kind: ErrorType, why: &'static str, code: CloseCode) -> Self {
        Self { kind: Some((kind, why)), code }
    }

    const fn not_found() -> Self {
        Self::with(ErrorType::SessionNotFound, "there is no such session", CloseCode::SessionNotFound)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a session cannot be looked up");
        Self::with(ErrorType::InternalError, "the store does not answer", CloseCode::Internal)
    }
}

impl Link {
    /// A connection that nobody listens to.
    pub(super) fn deaf() -> Self {
        let over = CancellationToken::new();
        Self { news: None, outbox: None, over, frame_max: usize::MAX, content_max: usize::MAX }
    }

    /// A connection to a session, for whoever has a token of it.
    pub(super) async fn to(
        inner: &Arc<Inner>,
        session: &str,
        token: Option<&str>,
        outbox: &Arc<Outbox>,
    ) -> Result<Self, Refused> {
        let claims = token.and_then(|token| inner.keys.read(token, inner.now().secs()));
        let Some(claims) = claims.filter(|claims| claims.session_id == session) else {
            let why = "the token is not good for this session";
            return Err(Refused::with(ErrorType::AuthFailed, why, CloseCode::Unauthorized));
        };
        let holder = claims.holder();
        if !inner.people.is_good(&holder, inner.now()).await? {
            return Err(Refused::with(ErrorType::AuthFailed, REVOKED, CloseCode::Unauthorized));
        }
        let (frame_max, content_max) = (inner.limits.frame_bytes_max, inner.limits.content_bytes_max);
        let over = CancellationToken::new();
        // Whatever comes of it: when this is dropped, the socket is over.
        let mut link = Self { news: None, outbox: Some(Arc::clone(outbox)), over, frame_max, content_max };
        let socket =
            || Socket { holder: holder.clone(), outbox: Arc::clone(outbox), over: link.over.clone() };
        let mut began = None;
        let news = loop {
            let read = if inner.seats.has(session) { None } else { Some(reach(inner, session).await?) };
            let wanted = inner.seats.want(session, Some(socket()));
            // Whoever comes back may be faster than the end of the connection before.
            let began = *began.get_or_insert_with(Instant::now);
            if matches!(wanted, Wanted::Taken) && began.elapsed() < FAREWELL {
                sleep(LOOK_SOON).await;
                continue;
            }
            break start(inner, session, wanted, read).await?;
        };
        link.news = Some(news);
        // A key that is revoked from now on finds this socket among the open ones.
        if !inner.people.is_good(&holder, inner.now()).await? {
            return Err(Refused::with(ErrorType::AuthFailed, REVOKED, CloseCode::Unauthorized));
        }
        Ok(link)
    }
}

/// A session that no other broker works at, as soon as none does.
async fn reach(inner: &Inner, session: &str) -> Result<(Row, Record), Refused> {
    let began = Instant::now();
    let mut first_sign = None;
    loop {
        let (row, record) = inner.session(session).await?.ok_or_else(Refused::not_found)?;
        if record.state == State::Closed {
            return Err(Refused::not_found());
        }
        let Some(owner) = record.owner.filter(|owner| owner.node != inner.node) else {
            return Ok((row, record));
        };
        let Some(sign) = inner.sign_of(owner.node).await? else { return Ok((row, record)) };
        // A broker that died goes on giving its last sign for a while; one that lives gives another.
        let first = first_sign.get_or_insert_with(|| (owner.node, sign.clone()));
        let lives = first.0 == owner.node && first.1 != sign;
        if lives && owner.connected {
            return Err(Refused { kind: None, code: CloseCode::AlreadyConnected });
        }
        let patience = if lives { PATIENCE } else { PATIENCE.max(NODE_TTL) };
        if began.elapsed() > patience {
            return Err(Refused { kind: None, code: CloseCode::TryAgainLater });
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Starts a session's task, unless it is there.
async fn start(
    inner: &Arc<Inner>,
    session: &str,
    wanted: Wanted,
    read: Option<(Row, Record)>,
) -> Result<mpsc::Sender<News>, Refused> {
    let (news, heard) = match wanted {
        Wanted::There(news) => return Ok(news),
        Wanted::Taken => return Err(Refused { kind: None, code: CloseCode::AlreadyConnected }),
        Wanted::Full => return Err(Refused { kind: None, code: CloseCode::TryAgainLater }),
        Wanted::Start(news, heard) => (news, heard),
    };
    let taken = async {
        let (row, record) = match read {
            Some(read) => read,
            None => reach(inner, session).await?,
        };
        own(inner, session, (row, record)).await
    };
    match taken.await {
        Ok((version, record)) => {
            let work = Work::new(Arc::clone(inner), session.to_owned(), (version, record), heard);
            inner.works.spawn(Box::pin(work.run()));
            Ok(news)
        }
        Err(refused) => {
            inner.seats.forget(session);
            Err(refused)
        }
    }
}

/// Makes a session this broker's.
async fn own(inner: &Inner, session: &str, (row, record): (Row, Record)) -> Result<(u64, Record), Refused> {
    let (mut from, mut record) = (row.version, record);
    loop {
        if record.state == State::Closed {
            return Err(Refused::not_found());
        }
        record.owner = Some(Owner { node: inner.node, connected: false });
        let version = fresh_version()?;
        let change = Change {
            key: key(session),
            from: Some(from),
            to: Some(record.row(version)?),
            keep_until: inner.now().after(inner.limits.retention),
            due: None,
            alias: None,
        };
        match inner.rows.change(change).await? {
            Changed::Done => return Ok((version, record)),
            Changed::Moved(Some(row)) if row.version == version => return Ok((version, record)),
            Changed::Moved(Some(row)) => {
                record = Record::read(&row)?;
                from = row.version;
                let other = record.owner.filter(|owner| owner.node != inner.node);
                if let Some(owner) = other
                    && inner.sign_of(owner.node).await?.is_some()
                {
                    return Err(Refused { kind: None, code: CloseCode::TryAgainLater });
                }
            }
            Changed::Moved(None) | Changed::Taken => return Err(Refused::not_found()),
        }
    }
}

/// Tells a session's task something; it is started if nobody works at it.
pub(super) async fn tell(inner: &Arc<Inner>, session: &str, news: News) -> Result<(), StoreError> {
    let Some(read) = inner.session(session).await? else { return Ok(()) };
    let wanted = inner.seats.want(session, None);
    match &wanted {
        // Before it begins: one that has nothing to do ends at once.
        Wanted::There(there) | Wanted::Start(there, _) => {
            if there.try_send(news).is_err() {
                tracing::debug!(session, "a session has no time to be told something");
            }
        }
        Wanted::Taken | Wanted::Full => {}
    }
    if let Err(refused) = start(inner, session, wanted, Some(read)).await {
        tracing::debug!(?refused, session, "a session is somebody else's by now");
    }
    Ok(())
}

/// Takes up what a broker that is gone has left undone.
pub(super) async fn take_up(inner: &Arc<Inner>, session: &str) -> Result<bool, StoreError> {
    if inner.seats.has(session) {
        return Ok(true);
    }
    let Some((row, record)) = inner.session(session).await? else { return Ok(false) };
    if !record.state.is_busy() && record.queue.is_empty() {
        return Ok(false);
    }
    if let Some(owner) = record.owner.filter(|owner| owner.node != inner.node)
        && inner.sign_of(owner.node).await?.is_some()
    {
        return Ok(true);
    }
    let wanted = inner.seats.want(session, None);
    if let Err(refused) = start(inner, session, wanted, Some((row, record))).await {
        tracing::debug!(?refused, session, "a session that was left undone is somebody else's");
    }
    Ok(true)
}

impl Protocol for Link {
    fn heard(&self, text: &str) -> Heard {
        let (frame, heard) = hear::read(text, self.frame_max, self.content_max);
        // What comes after the end was asked for, such as from somebody whose key was revoked, is for nobody.
        if self.outbox.as_ref().is_some_and(|outbox| outbox.is_ending()) {
            return heard;
        }
        if let Some(news) = &self.news
            && news.try_send(News::Heard(frame)).is_err()
        {
            tracing::debug!("a frame for a session that is over");
        }
        heard
    }

    async fn ready(&self) {
        if let Some(news) = &self.news {
            drop(news.reserve().await);
        }
    }

    fn arrived(&self, probe: u64) {
        if let Some(news) = &self.news
            && news.try_send(News::Arrived(probe)).is_err()
        {
            tracing::debug!("what has arrived may be said once more");
        }
    }

    async fn wind_down(&self) {}
}

impl Drop for Link {
    fn drop(&mut self) {
        self.over.cancel();
    }
}
