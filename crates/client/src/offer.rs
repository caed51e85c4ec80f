//! Which offer of a bill is taken.

use crate::saved::SavedTerms;
use crate::{Budget, Error};
use std::collections::BTreeSet;
use std::fmt;
use tollwire_exact::evm::{Address, Domain};
use tollwire_exact::solana;
use tollwire_x402::asset::usdc;
use tollwire_x402::v2::{PaymentRequired, PaymentRequirements};
use tollwire_x402::{Network, Usdc};

/// The extension of our facilitator's bills.
pub(crate) const EXTENSION: &str = "tollwire-session";

/// An offer that would keep our signature valid for longer than this many seconds is not taken.
const TIMEOUT_SECS_MAX: u64 = 3_600;

/// What must not change from one bill of a seller to the next: where the money goes, in what, to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Terms {
    pub(crate) network: Network,
    pub(crate) asset: Account,
    pub(crate) pay_to: Account,
}

/// An address of either kind of chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Account {
    Evm(Address),
    Solana(solana::Address),
}

impl Account {
    /// Reads an address of a network.
    pub(crate) fn read(network: Network, text: &str) -> Option<Self> {
        match network {
            Network::Eip155(_) => text.parse().ok().map(Self::Evm),
            Network::Solana(_) => text.parse().ok().map(Self::Solana),
        }
    }

    pub(crate) fn evm(self) -> Option<Address> {
        match self {
            Self::Evm(address) => Some(address),
            Self::Solana(_) => None,
        }
    }

    pub(crate) fn solana(self) -> Option<solana::Address> {
        match self {
            Self::Evm(_) => None,
            Self::Solana(address) => Some(address),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evm(address) => address.fmt(f),
            Self::Solana(address) => address.fmt(f),
        }
    }
}

/// What a seller's first bill said, and later ones are held to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pinned {
    /// Empty until there was a bill.
    terms: BTreeSet<Terms>,
    /// The price of a unit, where the bill states it.
    price: Option<Usdc>,
}

impl Pinned {
    /// Pins what a bill says, if nothing is pinned yet.
    pub(crate) fn pin(&mut self, bill: &PaymentRequired) {
        if self.terms.is_empty() {
            *self = Self { terms: bill.accepts.iter().filter_map(read).collect(), price: price(bill) };
        }
    }

    /// Pins what was pinned before, if nothing is pinned yet.
    pub(crate) fn adopt(&mut self, before: &Self) {
        if self.terms.is_empty() {
            self.clone_from(before);
        }
    }

    /// The form to keep it in.
    pub(crate) fn to_saved(&self) -> (Vec<SavedTerms>, Option<Usdc>) {
        let saved = |terms: &Terms| SavedTerms {
            network: terms.network,
            asset: terms.asset.to_string(),
            pay_to: terms.pay_to.to_string(),
        };
        (self.terms.iter().map(saved).collect(), self.price)
    }

    /// What was kept.
    pub(crate) fn restore(terms: &[SavedTerms], price: Option<Usdc>) -> Result<Self, Error> {
        let read = |saved: &SavedTerms| {
            let account = |text: &str| Account::read(saved.network, text);
            let asset = account(&saved.asset).ok_or(Error::Saved("an asset is no address"))?;
            let pay_to = account(&saved.pay_to).ok_or(Error::Saved("a payee is no address"))?;
            Ok(Terms { network: saved.network, asset, pay_to })
        };
        Ok(Self { terms: terms.iter().map(read).collect::<Result<_, Error>>()?, price })
    }

    /// Whether the price per unit is still what it was, or what the budget allows.
    fn check_price(&self, bill: &PaymentRequired, budget: &Budget) -> Result<(), Error> {
        let Some(first) = self.price else { return Ok(()) };
        let asked = price(bill).ok_or(Error::NoOffer("the price per unit is not stated any more"))?;
        let most = budget.price_max().map_or(first, |allowed| allowed.max(first));
        if asked > most { Err(Error::Dearer { asked, most }) } else { Ok(()) }
    }
}

/// A member of `info` in our extension of a message.
pub(crate) fn info<'a>(
    extensions: Option<&'a tollwire_x402::v2::Extra>,
    name: &str,
) -> Option<&'a serde_json::Value> {
    extensions?.get(EXTENSION)?.get("info")?.get(name)
}

/// The price of a unit that a bill states, in atomic units.
fn price(bill: &PaymentRequired) -> Option<Usdc> {
    Usdc::parse_atomic(info(bill.extensions.as_ref(), "price")?.as_str()?).ok()
}

/// Why an offer is not taken, in the order of the checks: the greatest came closest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Misfit {
    Network,
    Scheme,
    Asset,
    Timeout,
    Terms,
    /// Too dear; with the price.
    Price(std::cmp::Reverse<Usdc>),
}

/// The terms of an offer, if it is in USDC as we know it: the amount is only meaningful in a known asset.
pub(crate) fn read(offer: &PaymentRequirements) -> Option<Terms> {
    let network = offer.known_network()?;
    let known = match network {
        Network::Eip155(_) => is_known_evm(offer, network),
        Network::Solana(_) => {
            let fee_payer = offer.extra_str("feePayer").and_then(|text| text.parse::<solana::Address>().ok());
            usdc(network).is_some_and(|known| known.address == offer.asset) && fee_payer.is_some()
        }
    };
    if !known {
        return None;
    }
    let account = |text: &str| Account::read(network, text);
    Some(Terms { network, asset: account(&offer.asset)?, pay_to: account(&offer.pay_to)? })
}

fn is_known_evm(offer: &PaymentRequirements, network: Network) -> bool {
    Domain::usdc(network).is_some_and(|known| {
        offer.asset.parse() == Ok(known.contract)
            && offer.extra_str("name") == Some(&known.name)
            && offer.extra_str("version") == Some(&known.version)
            && matches!(offer.extra_str("assetTransferMethod"), None | Some("eip3009"))
    })
}

/// The first offer that fits: sellers put first what they like best, as official clients assume too.
///
/// `pinned` is what the seller's first bill said.
pub(crate) fn choose<'a>(
    bill: &'a PaymentRequired,
    networks: &[Network],
    pinned: &Pinned,
    budget: &Budget,
) -> Result<&'a PaymentRequirements, Error> {
    pinned.check_price(bill, budget)?;
    let mut closest = None;
    for offer in &bill.accepts {
        match misfit(offer, networks, pinned, budget) {
            None => return Ok(offer),
            misfit => closest = closest.max(misfit),
        }
    }
    Err(match closest {
        None => Error::NoOffer("there is none"),
        Some(Misfit::Network) => Error::NoOffer("none is on a network of this payer"),
        Some(Misfit::Scheme) => Error::NoOffer("none is of the scheme exact"),
        Some(Misfit::Asset) => Error::NoOffer("none is in USDC as Circle issues it"),
        Some(Misfit::Timeout) => Error::NoOffer("all keep a signature valid for none or too many seconds"),
        Some(Misfit::Terms) => Error::NoOffer("payee or asset are not those of the first bill"),
        Some(Misfit::Price(std::cmp::Reverse(asked))) => {
            Error::Budget { asked, per_payment: budget.per_payment(), left: budget.left() }
        }
    })
}

fn misfit(
    offer: &PaymentRequirements,
    networks: &[Network],
    pinned: &Pinned,
    budget: &Budget,
) -> Option<Misfit> {
    if !offer.known_network().is_some_and(|network| networks.contains(&network)) {
        return Some(Misfit::Network);
    }
    if offer.scheme != "exact" {
        return Some(Misfit::Scheme);
    }
    let Some(terms) = read(offer) else { return Some(Misfit::Asset) };
    if !(1..=TIMEOUT_SECS_MAX).contains(&offer.max_timeout_seconds) {
        return Some(Misfit::Timeout);
    }
    if !pinned.terms.contains(&terms) {
        return Some(Misfit::Terms);
    }
    (offer.amount > budget.per_payment() || offer.amount > budget.left())
        .then_some(Misfit::Price(std::cmp::Reverse(offer.amount)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const PAY_TO: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";

    fn offer(change: &Value) -> PaymentRequirements {
        let mut offer = json!({
            "scheme": "exact", "network": "eip155:8453", "amount": "100000", "payTo": PAY_TO,
            "asset": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "maxTimeoutSeconds": 300,
            "extra": {"name": "USD Coin", "version": "2"},
        });
        offer.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(offer).unwrap()
    }

    fn budget() -> Budget {
        Budget::new("0.10".parse().unwrap(), "1".parse().unwrap())
    }

    fn bill(offers: &[PaymentRequirements], price: Option<&str>) -> PaymentRequired {
        serde_json::from_value(json!({
            "x402Version": 2, "resource": {"url": "https://pay.example"}, "accepts": offers,
            "extensions": {"tollwire-session": {"info": {"price": price}}},
        }))
        .unwrap()
    }

    fn pinned(bill: &PaymentRequired) -> Pinned {
        let mut pinned = Pinned::default();
        pinned.pin(bill);
        pinned
    }

    fn pick(offers: &[PaymentRequirements]) -> Result<usize, Error> {
        let bill = bill(offers, None);
        let chosen = choose(&bill, &[Network::BASE], &pinned(&bill), &budget())?;
        Ok(bill.accepts.iter().position(|offer| std::ptr::eq(offer, chosen)).unwrap())
    }

    #[test]
    fn the_first_that_fits_is_taken() {
        let offers = [
            offer(&json!({"network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"})),
            offer(&json!({"scheme": "upto"})),
            offer(&json!({"amount": "100001"})),
            offer(&json!({})),
            offer(&json!({"amount": "1"})),
        ];
        assert_eq!(pick(&offers), Ok(3));
    }

    #[test]
    fn on_solana_the_mint_and_the_fee_payer_make_an_offer() {
        let change = json!({
            "network": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "asset": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
            "payTo": "J2xccRtuG43drESLYznHhLhQkLTdfepcKYbiQ9BsJVaf",
            "extra": {"feePayer": "2KW2XRd9kwqet15Aha2oK3tYvd3nWbTFH1MBiRAv1BE1"},
        });
        let good = offer(&change);
        let terms = read(&good).unwrap();
        assert_eq!((terms.asset.to_string(), terms.pay_to.to_string()), (good.asset, good.pay_to));
        for (name, wrong) in [
            ("asset", json!("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")),
            ("payTo", json!("0x209693Bc6afc0C5328bA36FaF03C514EF312287C")),
            ("extra", json!({})),
            ("extra", json!({"feePayer": "me"})),
        ] {
            let mut change = change.clone();
            change[name] = wrong;
            assert_eq!(read(&offer(&change)), None, "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_says_how_close_it_came() {
        for (change, text) in [
            (json!({"network": "eip155:84532"}), "network"),
            (json!({"scheme": "upto"}), "scheme"),
            (json!({"asset": PAY_TO}), "USDC"),
            (json!({"extra": {"name": "USDC", "version": "2"}}), "USDC"),
            (json!({"extra": null}), "USDC"),
            (json!({"payTo": "me"}), "USDC"),
            (json!({"maxTimeoutSeconds": 0}), "seconds"),
            (json!({"maxTimeoutSeconds": 3601}), "seconds"),
        ] {
            let error = pick(&[offer(&json!({"network": "eip155:1"})), offer(&change)]).unwrap_err();
            assert!(matches!(error, Error::NoOffer(why) if why.contains(text)), "{text}: {error}");
        }
        assert!(matches!(pick(&[]), Err(Error::NoOffer(_))));
    }

    #[test]
    fn too_dear_names_the_cheapest() {
        let offers = [offer(&json!({"amount": "900000"})), offer(&json!({"amount": "100001"}))];
        assert!(matches!(pick(&offers), Err(Error::Budget { asked, .. }) if asked.atomic() == 100_001));
    }

    #[test]
    fn a_later_bill_cannot_name_another_payee() {
        let first = bill(&[offer(&json!({}))], None);
        let later = bill(&[offer(&json!({"payTo": "0x036CbD53842c5426634e7929541eC2318f3dCF7e"}))], None);
        let mut pinned = pinned(&first);
        pinned.pin(&later);
        let (terms, price) = pinned.to_saved();
        let pinned = Pinned::restore(&terms, price).unwrap();
        let chosen = choose(&later, &[Network::BASE], &pinned, &budget());
        assert!(matches!(chosen, Err(Error::NoOffer(why)) if why.contains("first bill")));
        assert!(choose(&first, &[Network::BASE], &pinned, &budget()).is_ok());
    }

    #[test]
    fn a_later_bill_cannot_be_dearer_unless_the_budget_says_so() {
        let offers = [offer(&json!({}))];
        let pinned = pinned(&bill(&offers, Some("1000")));
        let usdc = |atomic| Usdc::from_atomic(atomic).unwrap();
        for (price, most, ok) in [
            (Some("1000"), None, true),
            (Some("999"), None, true),
            (Some("1001"), None, false),
            (None, None, false),
            (Some("-1"), None, false),
            (Some("1001"), Some(1_001), true),
            (Some("1002"), Some(1_001), false),
            (Some("1000"), Some(1), true),
        ] {
            let budget = most.map_or(budget(), |most| budget().with_price_max(usdc(most)));
            let chosen = choose(&bill(&offers, price), &[Network::BASE], &pinned, &budget).map(|_| ());
            assert_eq!(chosen.is_ok(), ok, "{price:?} {most:?}: {chosen:?}");
        }
    }
}
