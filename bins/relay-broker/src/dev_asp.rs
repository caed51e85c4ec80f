//! Agent sessions of `dev` and `demo`: two clients, and sessions that are kept nowhere.

use crate::asp_tools::random;
use crate::failure::Failure;
use tollwire_asp::{AgentUri, SigningKey};
use tollwire_client::asp::{Account, Config};
use tollwire_relay::asp::{Asp, AspCard, AspClient, AspConfig, AspStores, SecretHash};
use tollwire_relay::store::Embedded;
use url::Url;

/// An agent of the sample.
pub(crate) struct DevClient {
    pub(crate) id: &'static str,
    pub(crate) agent: &'static str,
    pub(crate) secret: String,
}

/// Who buys and who sells.
pub(crate) struct DevClients {
    pub(crate) buyer: DevClient,
    pub(crate) seller: DevClient,
}

impl DevClient {
    fn new(id: &'static str, agent: &'static str) -> Result<Self, Failure> {
        Ok(Self { id, agent, secret: random()? })
    }

    fn known(&self, org: &str, trust: &str) -> Result<AspClient, Failure> {
        Ok(AspClient {
            secret: SecretHash::of(&self.secret),
            agent: self.uri()?,
            org: org.to_owned(),
            trust: trust.parse().map_err(Failure::start)?,
            card: AspCard::default(),
        })
    }

    /// Its name.
    pub(crate) fn uri(&self) -> Result<AgentUri, Failure> {
        self.agent.parse().map_err(Failure::start)
    }

    /// It, at an address that leads to the broker which calls itself `public`.
    pub(crate) fn account(&self, address: &str, public: &Url) -> Result<Account, Failure> {
        let mut config = Config::new(address, self.id, self.secret.as_str()).map_err(Failure::start)?;
        config.public_url = Some(public.as_str().trim_end_matches('/').to_owned());
        Account::new(config).map_err(Failure::start)
    }
}

/// Starts them.
pub(crate) async fn start(public_url: Url) -> Result<(Asp, DevClients), Failure> {
    let buyer = DevClient::new("oac_acme", "agent://acme.example/procurement/alpha")?;
    let seller = DevClient::new("oac_cloud", "agent://cloud.example/gpu/beta")?;
    let store = Embedded::memory().map_err(Failure::start)?;
    let stores = AspStores::embedded(&store).await.map_err(Failure::start)?;
    let key = SigningKey::from_hex(&random()?).map_err(Failure::start)?;
    let mut config = AspConfig::new(key, stores, public_url);
    config.clients.insert(buyer.id.to_owned(), buyer.known("org_acme", "72.5")?);
    config.clients.insert(seller.id.to_owned(), seller.known("org_cloud", "91")?);
    Ok((Asp::start(config).map_err(Failure::start)?, DevClients { buyer, seller }))
}
