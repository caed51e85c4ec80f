//! `facilitator backup` and `restore`: a store in a file, and the feeds registered beside it.

use crate::config::File;
use crate::failure::Failure;
use crate::node::RunningNode;
use crate::wiring::{self, FeedFile};
use bytes::Bytes;
use http::Method;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tollwire_gate::FeedStore as _;
use tollwire_ledger::embedded::EmbeddedLedger;
use tollwire_ledger::{Clock, Ledger as _, SystemClock};
use tollwire_ops::config::Loaded;
use tollwire_ops::console;
use tollwire_ops::store::StoreUrl;

/// Sessions counted at once.
const PAGE: usize = 1024;

/// Copies the store to `out`, and registered feeds beside it.
pub(crate) async fn write(file: Loaded<File>, out: &Path) -> Result<(), Failure> {
    let store = store_file(&file)?;
    let out = std::path::absolute(out).map_err(Failure::start)?;
    let feeds_out = beside(&out);
    for taken in [&out, &feeds_out] {
        if taken.exists() {
            return Err(refused(taken, "exists already; a backup overwrites nothing. Choose another name"));
        }
    }
    if let Some(node) = RunningNode::find(&file).await? {
        let wanted = serde_json::json!({ "path": out });
        node.tell(Method::POST, "/admin/backup", Bytes::from(wanted.to_string())).await?;
    } else {
        if !store.exists() {
            return Err(refused(&store, "does not exist: there is nothing to copy"));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Some(backup) = wiring::store(&file, &clock).await?.backup else { return Err(no_file()) };
        backup.backup(&out).map_err(|error| Failure::Backup(error.to_string()))?;
    }
    console::line(format!("{} is a copy of {}", out.display(), store.display()));
    // After the ledger: a feed that is missing from the copy would leave its sessions without one.
    if let Some(feeds) = registered(&file).load().map_err(Failure::start)? {
        FeedFile::new(feeds_out.clone()).save(&feeds).map_err(Failure::start)?;
        console::line(format!("{} has the registered feeds", feeds_out.display()));
    }
    console::line("not copied: the configuration and its key files; keep them elsewhere");
    Ok(())
}

/// Puts a backup in the place of the store and of the registered feeds, neither of which may exist, nor the store's log.
pub(crate) async fn restore(file: Loaded<File>, from: &Path) -> Result<(), Failure> {
    let store = store_file(&file)?;
    let feeds = beside(from);
    let mut targets = vec![store.clone(), EmbeddedLedger::log_of(&store)];
    if feeds.exists() {
        targets.push(registered_path(&file));
    }
    for target in &targets {
        if target.exists() {
            let why = "exists; stop the node and move it away first: restoring overwrites nothing";
            return Err(refused(target, why));
        }
    }
    let fresh = with_suffix(&store, ".restoring");
    let restored = bring(from, &fresh, &store).await;
    // Left over from a try that failed, or after the store's name was given to it.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::start(error)),
        _ => {}
    }
    let sessions = restored?;
    console::line(format!("{} is back, with {sessions} sessions", store.display()));
    if let Some(text) = FeedFile::new(feeds).load().map_err(Failure::start)? {
        registered(&file).save(&text).map_err(Failure::start)?;
        console::line(format!("{} is back", registered_path(&file).display()));
    }
    console::line("what was paid and used after the backup is not in it: see `facilitator ledger balance`");
    Ok(())
}

/// Copies a backup beside the store, reads it as a node would, and gives it the store's name. Answers how many sessions
/// it has.
async fn bring(from: &Path, fresh: &Path, store: &Path) -> Result<usize, Failure> {
    let named = |error: io::Error| refused(from, &error.to_string());
    fs::copy(from, fresh).map_err(named)?;
    fs::File::open(fresh).and_then(|copy| copy.sync_all()).map_err(named)?;
    let sessions = {
        let ledger = EmbeddedLedger::open_existing(fresh, Arc::new(SystemClock))
            .map_err(|error| refused(from, &format!("is no backup of a store: {error}")))?;
        count(&ledger).await?
    };
    // Unlike renaming, this never takes the place of another file.
    fs::hard_link(fresh, store).map_err(|error| refused(store, &error.to_string()))?;
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Failure::start)?;
    Ok(sessions)
}

async fn count(ledger: &EmbeddedLedger) -> Result<usize, Failure> {
    let (mut total, mut after) = (0_usize, None);
    loop {
        let page = ledger.sessions(after.as_ref(), PAGE).await.map_err(Failure::start)?;
        let Some((last, _)) = page.last() else { return Ok(total) };
        after = Some(last.clone());
        total = total.saturating_add(page.len());
    }
}

fn store_file(file: &Loaded<File>) -> Result<PathBuf, Failure> {
    match StoreUrl::of(file, &file.value.store)? {
        StoreUrl::File(path) => Ok(path),
        StoreUrl::Memory | StoreUrl::Redis(_) => Err(no_file()),
    }
}

fn registered_path(file: &Loaded<File>) -> PathBuf {
    file.base.join(&file.value.registered_feeds)
}

fn registered(file: &Loaded<File>) -> FeedFile {
    FeedFile::new(registered_path(file))
}

/// Where a backup keeps registered feeds.
fn beside(out: &Path) -> PathBuf {
    with_suffix(out, ".feeds.json")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn no_file() -> Failure {
    let why = "the store is no file: a Redis has its own backups (BGSAVE, AOF), `memory:` has none";
    Failure::Backup(why.into())
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::Backup(format!("{}: {why}", path.display()))
}
