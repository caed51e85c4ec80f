//! What can be paid: our prices on the networks that the facilitator serves.

use super::Price;
use crate::call::CallError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tollwire_x402::facilitator::{Kind, Supported};
use tollwire_x402::v2::{Extra, PaymentRequirements};
use tollwire_x402::{Facilitator, Network, asset, v1, v2};

/// The only scheme in which calls are paid.
pub(super) const SCHEME: &str = "exact";

/// How long a facilitator's word on what it serves is good.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// When a facilitator that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How long it may take over hints.
const HINTS_WITHIN: Duration = Duration::from_secs(1);

/// How long it may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the facilitator serves, asked when somebody wants to know.
pub(super) struct Served {
    facilitator: Arc<dyn Facilitator>,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    supported: Arc<Supported>,
    until: Instant,
}

impl Served {
    pub(super) fn by(facilitator: Arc<dyn Facilitator>) -> Self {
        Self { facilitator, known: Mutex::default() }
    }

    /// The last word, which may be an old one when there is no new one.
    async fn now(&self) -> Result<Arc<Supported>, CallError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| Instant::now() < known.until) {
            return Ok(Arc::clone(&known.supported));
        }
        let answer = timeout(ANSWER_WITHIN, self.facilitator.supported()).await;
        let (supported, good_for) = match (answer, known.take()) {
            (Ok(Ok(supported)), _) => (Arc::new(supported), GOOD_FOR),
            (failed, Some(old)) => {
                tracing::warn!(?failed, "the facilitator does not say what it serves");
                (old.supported, ASK_AGAIN)
            }
            (failed, None) => {
                tracing::warn!(?failed, "the facilitator does not say what it serves");
                return Err(CallError::CannotBePaid);
            }
        };
        *known = Some(Known { supported: Arc::clone(&supported), until: Instant::now() + good_for });
        Ok(supported)
    }

    /// The offers of a price, and whether each can be taken by v1 clients, too. At least one.
    pub(super) async fn offers(&self, price: &Price, timeout_secs: u64) -> Result<Vec<Offer>, CallError> {
        let supported = self.now().await?;
        let offers: Vec<Offer> = price
            .pay_to
            .iter()
            .filter_map(|(network, wallet)| Offer::new(&supported, *network, wallet, price, timeout_secs))
            .collect();
        if offers.is_empty() {
            tracing::warn!("the facilitator serves none of the networks of a price");
            return Err(CallError::CannotBePaid);
        }
        Ok(offers)
    }

    /// The same as they are shown now: with what goes out of date, and what no payment is held to.
    pub(super) async fn dated(&self, mut offers: Vec<Offer>) -> Vec<Offer> {
        for offer in &mut offers {
            match timeout(HINTS_WITHIN, self.facilitator.hints(offer.network)).await {
                Ok(hints) if !hints.is_empty() => {
                    offer.requirements.extra.get_or_insert_default().extend(hints);
                }
                // Whoever has a node of its own can pay all the same.
                Ok(_) | Err(_) => {}
            }
        }
        offers
    }
}

/// One way to pay a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) network: Network,
    pub(super) requirements: PaymentRequirements,
    /// Whether the facilitator settles v1 payments there.
    pub(super) v1: bool,
}

impl Offer {
    fn new(
        supported: &Supported,
        network: Network,
        wallet: &str,
        price: &Price,
        timeout_secs: u64,
    ) -> Option<Self> {
        let usdc = asset::usdc(network)?;
        let kind = kind(supported, v2::VERSION, &network.to_string())?;
        let mut extra = Extra::new();
        if let Some((name, version)) = usdc.eip712 {
            extra.insert("name".to_owned(), name.into());
            extra.insert("version".to_owned(), version.into());
        }
        extra.extend(kind.extra.clone().unwrap_or_default());
        let requirements = PaymentRequirements {
            scheme: SCHEME.to_owned(),
            network: network.to_string(),
            amount: price.amount,
            asset: usdc.address.to_owned(),
            pay_to: wallet.to_owned(),
            max_timeout_seconds: timeout_secs,
            extra: (!extra.is_empty()).then_some(extra),
        };
        let v1 = network.v1_name().is_some_and(|name| kind_exists(supported, name));
        Some(Self { network, requirements, v1 })
    }
}

fn kind<'a>(supported: &'a Supported, version: u8, network: &str) -> Option<&'a Kind> {
    let fits =
        |kind: &&Kind| kind.x402_version == version && kind.scheme == SCHEME && kind.network == network;
    supported.kinds.iter().find(fits)
}

fn kind_exists(supported: &Supported, v1_name: &str) -> bool {
    kind(supported, v1::VERSION, v1_name).is_some()
}
