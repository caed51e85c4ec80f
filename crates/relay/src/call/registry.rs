//! APIs that come, change and go while the broker runs: one row of the store, which all brokers of the store read. They are
//! never written to the configuration file, and hold no header lines: keys belong into the configuration.

use super::api::{Api, ApiError, Apis, PaymentHeader};
use super::caller::Caller;
use super::priced::Price;
use crate::store::{Change, Changed, FOR_EVER, Row, Rows, StoreError, fresh_version};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollwire_x402::{ApiId, Network};
use url::Url;

/// The row.
const KEY: &str = "apis";

/// The most APIs that are registered.
const APIS_MAX: usize = 1_000;

/// How often the row is read, so that what another broker was told is known here.
const EVERY: Duration = Duration::from_secs(5);

/// Told of every wallet that calls pay, whenever there are others.
pub type Payees = Arc<dyn Fn(Vec<String>) + Send + Sync>;

/// The APIs of the configuration, and those registered beside them.
pub(crate) struct Registry {
    rows: Option<Arc<dyn Rows>>,
    caller: Arc<Caller>,
    payees: Option<Payees>,
    /// Wallets that nobody is paid at; `None` if nobody settles what has a price.
    own_wallets: Option<BTreeMap<Network, String>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    configured: Apis,
    registered: Vec<Registered>,
    /// The row's.
    version: Option<u64>,
}

/// A registered API, as it is written down and shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    id: ApiId,
    base_url: Url,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    payment_header: PaymentHeader,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    #[serde(default)]
    pay_to: BTreeMap<Network, String>,
}

/// Why an API is not registered, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("no such API is registered")]
    Unknown,
    #[error("{0} stands in the configuration; change it there")]
    Configured(ApiId),
    #[error("{0} is registered already")]
    Exists(ApiId),
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("at most {APIS_MAX} APIs are registered")]
    TooMany,
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
}

impl Registry {
    pub(crate) fn new(
        configured: Apis,
        caller: Arc<Caller>,
        rows: Option<Arc<dyn Rows>>,
        payees: Option<Payees>,
        own_wallets: Option<BTreeMap<Network, String>>,
    ) -> Self {
        let registry = Self { rows, caller, payees, own_wallets, known: Mutex::default() };
        registry.configure(configured);
        registry
    }

    /// Takes over another configuration.
    pub(crate) fn configure(&self, configured: Apis) {
        let mut known = self.known();
        known.configured = configured;
        self.put(&known);
    }

    /// Reads what is registered, and goes on reading it.
    pub(crate) async fn watch(&self) {
        loop {
            if let Err(error) = self.load().await {
                tracing::warn!(%error, "registered APIs cannot be read; those known stay");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads what is registered.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let row = rows.row(KEY).await?;
        self.take_over(row.as_ref())
    }

    fn take_over(&self, row: Option<&Row>) -> Result<(), StoreError> {
        let mut known = self.known();
        if known.version == row.map(|row| row.version) {
            return Ok(());
        }
        known.registered = read(row)?;
        known.version = row.map(|row| row.version);
        self.put(&known);
        Ok(())
    }

    /// Puts configured and registered APIs into force. Of one id the configuration's is meant.
    fn put(&self, known: &Known) {
        let mut all: Vec<Api> = known.configured.iter().map(|api| (**api).clone()).collect();
        for registered in &known.registered {
            if known.configured.get(registered.id.as_str()).is_some() {
                continue;
            }
            match registered.api() {
                Ok(api) => all.push(api),
                Err(error) => tracing::error!(api = %registered.id, %error, "a registered API is left out"),
            }
        }
        if let Some(payees) = &self.payees {
            let prices = all.iter().filter_map(|api| api.price.as_ref());
            payees(prices.flat_map(|price| price.pay_to.values().cloned()).collect());
        }
        match Apis::new(all) {
            Ok(apis) => self.caller.configure(apis),
            Err(error) => tracing::error!(%error, "APIs cannot be put into force; the old ones stay"),
        }
    }

    /// All APIs, as the operator may see them.
    pub(crate) fn list(&self) -> Vec<Value> {
        let known = self.known();
        let configured = known.configured.iter().map(|api| shown(api, "configuration"));
        let registered = known.registered.iter().filter_map(|registered| {
            let shadowed = known.configured.get(registered.id.as_str()).is_some();
            if shadowed { None } else { registered.api().ok().map(|api| shown(&api, "admin")) }
        });
        let mut all: Vec<Value> = configured.chain(registered).collect();
        all.sort_by_key(|api| api["id"].as_str().unwrap_or_default().to_owned());
        all
    }

    /// Registers an API from its JSON.
    pub(crate) async fn add(&self, body: Value) -> Result<Value, RegistryError> {
        let added = self.read(body)?;
        let (id, api) = (added.id.clone(), added.api()?);
        self.change(&id, move |all| {
            if all.iter().any(|known| known.id == added.id) {
                return Err(RegistryError::Exists(added.id.clone()));
            }
            if all.len() >= APIS_MAX {
                return Err(RegistryError::TooMany);
            }
            all.push(added.clone());
            Ok(())
        })
        .await?;
        tracing::info!(api = %id, "API registered");
        Ok(shown(&api, "admin"))
    }

    /// Changes the members that are given.
    pub(crate) async fn amend(&self, id: &ApiId, patch: &Value) -> Result<Value, RegistryError> {
        let mut changed = None;
        self.change(id, |all| {
            let known = all.iter_mut().find(|known| known.id == *id).ok_or(RegistryError::Unknown)?;
            let mut whole = serde_json::to_value(&*known).unwrap_or_default();
            for (name, value) in patch.as_object().into_iter().flatten() {
                whole[name] = value.clone();
            }
            let next = self.read(whole)?;
            if next.id != *id {
                return Err(RegistryError::Malformed("id: an API keeps its id".to_owned()));
            }
            changed = Some(next.api()?);
            *known = next;
            Ok(())
        })
        .await?;
        tracing::info!(api = %id, "API changed");
        changed.map(|api| shown(&api, "admin")).ok_or(RegistryError::Unknown)
    }

    /// Removes an API; calls under way go on.
    pub(crate) async fn remove(&self, id: &ApiId) -> Result<(), RegistryError> {
        self.change(id, |all| {
            let before = all.len();
            all.retain(|known| known.id != *id);
            if all.len() == before { Err(RegistryError::Unknown) } else { Ok(()) }
        })
        .await?;
        tracing::info!(api = %id, "API removed");
        Ok(())
    }

    /// Changes the row, however many brokers do at once.
    async fn change(
        &self,
        id: &ApiId,
        mut change: impl FnMut(&mut Vec<Registered>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        if self.known().configured.get(id.as_str()).is_some() {
            return Err(RegistryError::Configured(id.clone()));
        }
        let Some(rows) = &self.rows else {
            return Err(StoreError::Unavailable("there is no store".to_owned()).into());
        };
        let mut row = rows.row(KEY).await?;
        loop {
            let mut all = read(row.as_ref())?;
            change(&mut all)?;
            let content = serde_json::to_vec(&all)
                .map_err(|error| StoreError::Corrupt(format!("cannot write APIs down: {error}")))?;
            let next = Row { version: fresh_version()?, content };
            let change = Change {
                key: KEY.to_owned(),
                from: row.map(|row| row.version),
                to: Some(next.clone()),
                keep_until: FOR_EVER,
                due: None,
                alias: None,
            };
            match rows.change(change).await? {
                Changed::Moved(now) => row = now,
                Changed::Done | Changed::Taken => return Ok(self.take_over(Some(&next))?),
            }
        }
    }

    fn read(&self, body: Value) -> Result<Registered, RegistryError> {
        let read: Registered =
            serde_json::from_value(body).map_err(|error| RegistryError::Malformed(error.to_string()))?;
        let api = read.api()?;
        api.check()?;
        match (&api.price, &self.own_wallets) {
            (Some(_), None) => {
                let why = "price: nobody settles here; configure a facilitator or [[chain]]";
                return Err(RegistryError::Malformed(why.to_owned()));
            }
            (Some(price), Some(own)) => price.check_payees(own).map_err(ApiError::from)?,
            (None, _) => {}
        }
        Ok(read)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn api(&self) -> Result<Api, RegistryError> {
        let mut api = Api::new(self.id.clone(), self.base_url.clone());
        (api.allow_private, api.payment_header) = (self.allow_private, self.payment_header);
        if let Some(price) = &self.price {
            let amount = price
                .parse()
                .map_err(|error: tollwire_x402::Error| RegistryError::Malformed(format!("price: {error}")))?;
            api.price = Some(Price { amount, pay_to: self.pay_to.clone() });
        }
        Ok(api)
    }
}

fn read(row: Option<&Row>) -> Result<Vec<Registered>, StoreError> {
    row.map_or(Ok(Vec::new()), |row| {
        serde_json::from_slice(&row.content)
            .map_err(|error| StoreError::Corrupt(format!("registered APIs: {error}")))
    })
}

/// All but the values of headers.
fn shown(api: &Api, origin: &str) -> Value {
    let headers: Vec<&str> = api.headers.keys().map(http::HeaderName::as_str).collect();
    json!({
        "id": api.id,
        "base_url": api.base_url.as_str(),
        "headers": headers,
        "allow_private": api.allow_private,
        "payment_header": api.payment_header,
        "price": api.price.as_ref().map(|price| price.amount.to_string()),
        "pay_to": api.price.as_ref().map(|price| price.pay_to.clone()).unwrap_or_default(),
        "origin": origin,
    })
}
