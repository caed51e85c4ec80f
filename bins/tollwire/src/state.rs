//! What `--resume` keeps: what was spent, the session, and a payment whose answer is not known yet.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tollwire_client::{Budget, Payment, SavedPayment, SavedSession, Session};
use tollwire_x402::Usdc;

/// The form of the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Signed away so far, over all runs.
    pub(crate) spent: Usdc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SavedSession>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<SavedPayment>,
}

/// The file, if one is kept.
#[derive(Debug, Clone)]
pub(crate) struct State(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    kept: Mutex<Kept>,
}

impl State {
    /// Reads the file; one that is not there yet is empty.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        let kept = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::Usage(format!("{}: it is not a file that --resume wrote: {error}", path.display()))
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(Failure::Io(path.display().to_string(), error)),
        };
        Ok(Self(Some(Arc::new(Inner { path, kept: Mutex::new(kept) }))))
    }

    /// What the file holds.
    pub(crate) fn kept(&self) -> Kept {
        let kept =
            self.0.as_ref().map(|inner| inner.kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
        kept.unwrap_or_default()
    }

    /// Notes a payment that is about to leave.
    pub(crate) fn signed(&self, payment: &Payment, budget: &Budget) -> Result<(), Error> {
        self.change(|kept| {
            kept.spent = budget.spent();
            kept.pending = Some(payment.to_saved());
        })
    }

    /// Notes how a session stands; `decided` if no payment is under way.
    pub(crate) fn session(&self, session: &Session, decided: bool) -> Result<(), Failure> {
        let noted = self.change(|kept| {
            kept.session = Some(session.to_saved());
            if decided {
                kept.pending = None;
            }
        });
        let path = || self.0.as_ref().map(|inner| inner.path.display().to_string()).unwrap_or_default();
        noted.map_err(|error| Failure::Io(path(), error))
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), Error> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let mut kept = inner.kept.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut kept);
        write(&inner.path, &serde_json::to_vec(&*kept).map_err(Error::other)?)
    }
}

/// Replaces a file whole, or not at all; nobody else can read it.
fn write(path: &Path, text: &[u8]) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
