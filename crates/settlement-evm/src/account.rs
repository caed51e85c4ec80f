//! The settlement accounts: each its own writer, work spread over whichever is free.

use crate::lane::Lane;
use crate::line::Line;
use crate::seat::{EvmTurn, Table};
use crate::turn::{ASK_EVERY, Desk, Held, random_name};
use crate::{Error, EvmConfig};
use futures_util::future::select_all;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tollwire_exact::evm::{Address, PrivateKey};
use tollwire_settlement::ChainError;

/// How long an account that could not pay is passed over, if another can.
const POOR_FOR: Duration = Duration::from_secs(30);

/// One settlement account.
pub(crate) struct Account {
    pub(crate) key: PrivateKey,
    pub(crate) address: Address,
    /// The address as attempts name their signer.
    pub(crate) name: String,
    pub(crate) lane: Lane,
    pub(crate) desk: Desk,
    /// Until when it counts as unable to pay.
    poor_until: Mutex<Option<Instant>>,
    /// Whether its owner was told that it runs dry.
    pub(crate) alarmed: std::sync::atomic::AtomicBool,
}

impl Account {
    fn new(key: PrivateKey, config: &EvmConfig, holder: &Arc<str>) -> Self {
        let address = key.address();
        let desk = Desk::new(config, &address, holder);
        Self {
            key,
            address,
            name: address.to_string(),
            lane: Lane::default(),
            desk,
            poor_until: Mutex::default(),
            alarmed: std::sync::atomic::AtomicBool::new(false),
        }
    }

    fn purse(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.poor_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It could not pay: others go first for a while.
    pub(crate) fn cannot_pay(&self) {
        *self.purse() = Some(Instant::now() + POOR_FOR);
    }

    pub(crate) fn can_pay(&self) {
        *self.purse() = None;
    }

    pub(crate) fn is_poor(&self) -> bool {
        self.purse().is_some_and(|until| Instant::now() < until)
    }
}

/// All settlement accounts, and the lines in front of them.
pub(crate) struct Pool {
    main: Arc<Account>,
    /// The main one first.
    accounts: Vec<Arc<Account>>,
    /// Those who take whichever account is free.
    any: Line,
    /// Those who replace one transaction, by its account and nonce.
    again: Mutex<HashMap<(usize, u64), Weak<Line>>>,
    /// Where the search for a free account begins.
    begin: AtomicUsize,
    batch_max: usize,
    wait: Duration,
}

/// Which turn a payment waits for.
pub(crate) enum Wanted {
    /// Any account, with others.
    Any,
    /// Any account, alone.
    AnyAlone,
    /// This account, alone.
    Alone(usize),
    /// This account, to replace its transaction with this nonce, with others that were in it.
    Again(usize, u64),
}

impl Pool {
    /// The accounts of these keys, the first of which is the main one. Refused are keys that occur twice.
    pub(crate) fn new(keys: Vec<PrivateKey>, config: &EvmConfig, batch_max: usize) -> Result<Self, Error> {
        let holder: Arc<str> = random_name().into();
        let mut accounts: Vec<Arc<Account>> = Vec::new();
        for key in keys {
            let account = Account::new(key, config, &holder);
            if accounts.iter().any(|other| other.address == account.address) {
                let reason = format!("the key of {} occurs twice", account.name);
                return Err(Error::Config { key: "settlement_keys", reason });
            }
            accounts.push(Arc::new(account));
        }
        let missing = || Error::Config { key: "settlement_key", reason: "is missing".into() };
        let main = accounts.first().cloned().ok_or_else(missing)?;
        Ok(Self {
            main,
            accounts,
            any: Line::default(),
            again: Mutex::default(),
            begin: AtomicUsize::new(0),
            batch_max: batch_max.max(1),
            wait: config.turn_wait,
        })
    }

    pub(crate) fn main(&self) -> &Account {
        &self.main
    }

    pub(crate) fn all(&self) -> &[Arc<Account>] {
        &self.accounts
    }

    /// The place of an account in the pool, by the name that attempts bear.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name == name)
    }

    /// Whether there is an account beside this one that can pay, as far as we know.
    pub(crate) fn has_better_than(&self, account: &Account) -> bool {
        self.accounts.iter().any(|other| other.address != account.address && !other.is_poor())
    }

    /// Waits for a turn, at most as long as configured.
    pub(crate) async fn take(&self, wanted: Wanted) -> Result<EvmTurn, ChainError> {
        let taking = async {
            match wanted {
                Wanted::Any => self.any.join(self.batch_max, self.take_any()).await,
                Wanted::AnyAlone => Ok(self.take_any().await?.sit()),
                Wanted::Alone(at) => Ok(self.take_this(at).await?.sit()),
                Wanted::Again(at, nonce) => {
                    let line = self.line_of(at, nonce);
                    line.join(self.batch_max, self.take_this(at)).await
                }
            }
        };
        timeout(self.wait, taking).await.unwrap_or(Err(ChainError::Busy))
    }

    fn line_of(&self, at: usize, nonce: u64) -> Arc<Line> {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = again.get(&(at, nonce)).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::new(Line::default());
        again.insert((at, nonce), Arc::downgrade(&line));
        line
    }

    async fn take_this(&self, at: usize) -> Result<Arc<Table>, ChainError> {
        let account = self.accounts.get(at).ok_or(ChainError::Busy)?;
        Ok(Table::new(Arc::clone(account), account.desk.take().await?))
    }

    /// Whichever account is free first.
    async fn take_any(&self) -> Result<Arc<Table>, ChainError> {
        loop {
            let candidates = self.candidates();
            for account in &candidates {
                if let Some(lock) = account.desk.try_lock()
                    && let Some(held) = account.desk.lease(lock).await?
                {
                    return Ok(Table::new(Arc::clone(account), held));
                }
            }
            match self.first_of(&candidates).await? {
                Some(table) => return Ok(table),
                None => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }

    /// Waits in the lines of all these accounts; `None` if another process has the one whose line ended first.
    async fn first_of(&self, accounts: &[Arc<Account>]) -> Result<Option<Arc<Table>>, ChainError> {
        let locks = accounts.iter().map(|account| Box::pin(account.desk.lock()));
        let (lock, at, _others) = select_all(locks).await;
        let Some(account) = accounts.get(at) else { return Ok(None) };
        let held: Option<Held> = account.desk.lease(lock).await?;
        Ok(held.map(|held| Table::new(Arc::clone(account), held)))
    }

    /// The accounts that can pay, from a different one each time; all of them if none can.
    fn candidates(&self) -> Vec<Arc<Account>> {
        let begin = self.begin.fetch_add(1, Ordering::Relaxed) % self.accounts.len();
        let (before, from) = self.accounts.split_at(begin);
        let round = || from.iter().chain(before);
        let rich: Vec<_> = round().filter(|account| !account.is_poor()).cloned().collect();
        if rich.is_empty() { round().cloned().collect() } else { rich }
    }
}
