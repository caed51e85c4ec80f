//! The bill: what an unpaid request is told, in both dialects at once.
//!
//! A 402 carries the v2 object in `PAYMENT-REQUIRED` and a v1 body, because clients of either version read only
//! their own. The rules below are those the official clients enforce.

use crate::config::GateConfig;
use crate::error::Error;
use crate::feed::{Dpop, Entry, Feed, Offer, Tariff, counted_word};
use crate::gate::{Gate, random};
use crate::quote::Quote;
use crate::siwx;
use serde_json::{Value, json};
use tollwire_ledger::model::Session;
use tollwire_x402::v2::{Extra, ResourceInfo};
use tollwire_x402::{Bill, FeedId, Network, SessionId, Unit};

/// The key of our extension in x402 messages.
pub const EXTENSION: &str = "tollwire-session";

/// What a paid request answers with.
const MIME_TYPE: &str = "application/json";

/// What is asked to be paid for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sale<'a> {
    /// A new session.
    Session,
    /// Units for a session there is; offered where it was paid.
    TopUp(&'a SessionId, &'a Session),
}

impl Gate {
    /// The bill for a resource of a feed, with a fresh quote. `why` is for people.
    pub(crate) async fn bill(
        &self,
        entry: &Entry,
        sale: Sale<'_>,
        path: &str,
        why: Option<&str>,
    ) -> Result<Bill, Error> {
        let (feed, tariff) = (&entry.feed, &entry.tariff);
        if feed.paused {
            return Err(Error::FeedPaused);
        }
        let (top_up, offers) = match sale {
            Sale::Session => (None, tariff.offers.iter().collect::<Vec<_>>()),
            Sale::TopUp(jti, session) => (Some(jti), offers_for(tariff, session)?),
        };
        let (quote, memo) = {
            let keys = self.keys();
            let quote = keys.quote().mint(feed.id(), top_up, tariff.version, self.clock.now(), random()?);
            let memo = keys.quote().memo(&quote, feed.id(), top_up);
            (quote, memo)
        };
        let offers = self.up_to_date(&offers, &memo).await;
        let resource = ResourceInfo {
            url: self.config().url(path),
            description: Some(description(feed)),
            mime_type: Some(MIME_TYPE.to_owned()),
        };
        let extensions = extension(self.config(), feed, &quote);
        let offers = offers.into_iter().map(|offer| offer.requirements).collect();
        Ok(Bill::new(resource, offers, Some(extensions), why))
    }

    /// The offers with what is only true now: the chain's hints, and on chains that carry one the quote's memo.
    async fn up_to_date(&self, offers: &[&Offer], memo: &str) -> Vec<Offer> {
        let mut hints: Vec<(Network, Extra)> = Vec::new();
        let mut dated = Vec::with_capacity(offers.len());
        for offer in offers {
            let mut offer = Offer::clone(offer);
            let Some(chain) = self.settler.chain(offer.network) else { continue };
            let known = hints.iter().find(|(network, _)| *network == offer.network);
            let now = if let Some((_, now)) = known {
                now.clone()
            } else {
                let mut now = chain.offer_hints().await;
                if chain.takes_memo() {
                    now.insert("memo".to_owned(), memo.into());
                }
                hints.push((offer.network, now.clone()));
                now
            };
            if !now.is_empty() {
                offer.requirements.extra.get_or_insert_default().extend(now);
            }
            dated.push(offer);
        }
        dated
    }

    /// The extension by which a wallet signs in to a feed, with a fresh challenge.
    pub(crate) fn sign_in_extension(&self, feed: &FeedId) -> Result<Value, Error> {
        let networks: Vec<_> = self.settler.chains().iter().map(|chain| chain.info().network).collect();
        Ok(self.challenge(feed)?.extension(&networks))
    }
}

/// The offers that can add to a session.
fn offers_for<'a>(tariff: &'a Tariff, session: &Session) -> Result<Vec<&'a Offer>, Error> {
    if tariff.unit != session.unit {
        return Err(Error::NotForSale("the feed is sold by another unit now; buy a new session"));
    }
    let offers: Vec<_> = tariff.offers.iter().filter(|offer| offer.network == session.network).collect();
    if offers.is_empty() {
        let why = "the feed is not sold any more on the network the session was paid on; buy a new session";
        return Err(Error::NotForSale(why));
    }
    Ok(offers)
}

/// The same bill for a wallet that may have paid before: it can sign in instead.
pub(crate) fn with_sign_in(mut bill: Bill, extension: Value) -> Bill {
    bill.required.extensions.get_or_insert_default().insert(siwx::EXTENSION.to_owned(), extension);
    bill
}

fn description(feed: &Feed) -> String {
    if feed.is_account() {
        "Prepaid account, in atomic units of USDC".to_owned()
    } else if feed.description.is_empty() {
        format!("Live feed {}, paid per {}", feed.id(), feed.unit())
    } else {
        feed.description.clone()
    }
}

fn extension(config: &GateConfig, feed: &Feed, quote: &Quote) -> Extra {
    let mut info = json!({
        "quote": quote.expose(),
        "facilitator": config.url(""),
        "unit": feed.unit(),
        "price": feed.price.atomic().to_string(),
    });
    // What one unit is, as far as it is not the same everywhere.
    match feed.unit() {
        Unit::Stream => info["maxStreamSeconds"] = json!(feed.route.max_stream.as_secs()),
        Unit::Message | Unit::Kib => info["count"] = json!(counted_word(feed.route.counted)),
        Unit::Second | Unit::Usdc => {}
    }
    if feed.dpop != Dpop::Off {
        info["dpop"] = json!(feed.dpop.as_str());
    }
    let streamed = [Unit::Stream, Unit::Second, Unit::Message, Unit::Kib];
    let units = if feed.is_account() { &[Unit::Usdc][..] } else { &streamed };
    let extension = json!({
        "info": info,
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "quote": {"type": "string"},
                "facilitator": {"type": "string", "format": "uri"},
                "unit": {"enum": units},
                "price": {"type": "string"},
                "maxStreamSeconds": {"type": "integer"},
                "count": {"enum": ["down", "up", "both"]},
                "dpop": {"enum": ["optional", "required"]},
            },
            "required": ["quote", "facilitator"],
        },
    });
    Extra::from_iter([(EXTENSION.to_owned(), extension)])
}
