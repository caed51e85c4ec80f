//! What Redis answers, as rows of the ledger.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::time::Duration;
use tollwire_ledger::command::{Entry, EntryKind};
use tollwire_ledger::model::{
    Attempt, Fate, Handed, Hold, Intent, Payment, Payout, PayoutFate, PayoutOrder, Provider, Refund,
    RefundFate, RefundOrder, Session, Stream,
};
use tollwire_ledger::outcome::View;
use tollwire_ledger::spend::Spent;
use tollwire_ledger::{Error, Outcome, PayoutOutcome, Timestamp, Watched, core, record};
use tollwire_redis::redis::Value;
pub(crate) use tollwire_redis::reply::{first, last, read};
use tollwire_x402::{FeedId, Network, StreamId, Unit, Usdc};

/// What a session is from its first credit on; written by `record`, copied by `credit`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Head {
    feed: FeedId,
    unit: Unit,
    payer: String,
    network: Network,
    chain: String,
    jkt: Option<String>,
    provider: Option<String>,
}

impl Head {
    pub(crate) fn of(intent: &Intent) -> Self {
        Self {
            feed: intent.feed.clone(),
            unit: intent.unit,
            payer: intent.payer.clone(),
            network: intent.network,
            chain: intent.chain.clone(),
            jkt: intent.jkt.clone(),
            provider: intent.provider.clone(),
        }
    }
}

fn unreadable(what: &str) -> Error {
    Error::Corrupt(format!("{what} is not readable"))
}

/// The answer of a transition's script.
pub(crate) fn outcome(value: Value) -> Result<Outcome, Error> {
    let (name, now, session, payment, first, second, third): (String, u64, Value, Value, u64, u64, u64) =
        read(value, "script answer")?;
    // The second hash is the payment's or the refund's.
    let (session, second_row) = (Fields::read(session)?, Fields::read(payment)?);
    let (payment, refund) =
        if second_row.has("order") { (Fields::none(), second_row) } else { (second_row, Fields::none()) };
    let now = Timestamp::from_millis(now);
    let session = || session.session(Live::new(), now);
    let view = || -> Result<View, Error> {
        let payment = payment.payment()?;
        let shown = payment.as_ref().is_none_or(|payment| !payment.intent.plain);
        let session = if shown { session()? } else { None };
        let refund = refund.refund()?.map(Box::new);
        Ok(View { payment: payment.map(Box::new), session: session.map(Box::new), refund })
    };
    Ok(match name.as_str() {
        "done" => Outcome::Done(view()?),
        "replayed" => Outcome::Replayed(view()?),
        "held" => Outcome::Held {
            fence: first,
            posted: second,
            since_capture: Duration::from_millis(third),
            session: Box::new(session()?.ok_or_else(|| unreadable("session"))?),
        },
        "foreign" => Outcome::Foreign,
        "exhausted" => Outcome::Exhausted { held_elsewhere: first == 1 },
        "toomany" => Outcome::TooMany,
        "expired" => Outcome::Expired,
        "revoked" => Outcome::Revoked,
        "closed" => Outcome::Closed,
        "lapsed" => Outcome::Lapsed,
        "fenced" => Outcome::Fenced,
        "conflict" => Outcome::Conflict,
        "unknown" => Outcome::Unknown,
        _ => return Err(unreadable("script answer")),
    })
}

/// The answer of the script of a command of a provider's account.
pub(crate) fn payout_outcome(value: Value) -> Result<PayoutOutcome, Error> {
    let (name, payout): (String, Value) = read(value, "script answer")?;
    let payout = || Fields::read(payout)?.payout();
    Ok(match name.as_str() {
        "done" => PayoutOutcome::Done(Box::new(payout()?.ok_or_else(|| unreadable("payout"))?)),
        "replayed" => PayoutOutcome::Replayed(payout()?.map(Box::new)),
        "conflict" => PayoutOutcome::Conflict,
        "unknown" => PayoutOutcome::Unknown,
        _ => return Err(unreadable("script answer")),
    })
}

/// The fields of a hash.
pub(crate) struct Fields(HashMap<String, Vec<u8>>);

impl Fields {
    pub(crate) fn read(value: Value) -> Result<Self, Error> {
        read(value, "hash").map(Self)
    }

    fn none() -> Self {
        Self(HashMap::new())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn bytes(&self, name: &str) -> Result<&[u8], Error> {
        self.0.get(name).map(Vec::as_slice).ok_or_else(|| unreadable(name))
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        std::str::from_utf8(self.bytes(name)?).map_err(|_| unreadable(name))
    }

    fn number(&self, name: &str) -> Result<u64, Error> {
        number(self.text(name)?, name)
    }

    fn small(&self, name: &str) -> Result<u32, Error> {
        u32::try_from(self.number(name)?).map_err(|_| unreadable(name))
    }

    fn usdc(&self, name: &str) -> Result<Usdc, Error> {
        Usdc::from_atomic(self.number(name)?).ok_or_else(|| unreadable(name))
    }

    fn time(&self, name: &str) -> Result<Timestamp, Error> {
        self.number(name).map(Timestamp::from_millis)
    }

    /// The session in these fields as it stands at `now`; `None` if there are none.
    ///
    /// `live` are the streams that are live, for a session that is read; none for the answer to a command.
    pub(crate) fn session(&self, live: Live, now: Timestamp) -> Result<Option<Session>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let head: Head = record::decode(self.bytes("head")?, "session")?;
        let mut session = Session {
            feed: head.feed,
            unit: head.unit,
            payer: head.payer,
            network: head.network,
            chain: head.chain,
            deposited: self.usdc("deposited")?,
            gas: self.usdc("gas")?,
            last_block: self.number("block")?,
            provider: head.provider,
            handed: Handed {
                units: self.number("handed_units")?,
                value: self.usdc("handed_value")?,
                fee: self.usdc("handed_fee")?,
                gas: self.usdc("handed_gas")?,
                net: self.usdc("handed_net")?,
            },
            bought: self.number("bought")?,
            captured: self.number("captured")?,
            refunded: self.number("refunded")?,
            expired: self.number("expired")?,
            refunds: self.small("refunds")?,
            returned: self.usdc("returned")?,
            withheld: self.usdc("withheld")?,
            holds: self.holds()?,
            live,
            opened: self.time("opened")?,
            balance_until: self.time("till")?,
            revoked: self.number("revoked")? == 1,
            closed: self.number("closed")? == 1,
            frozen: self.small("frozen")?,
            recalled: Some(self.time("recalled")?).filter(|at| at.millis() > 0),
            jkt: head.jkt,
            revision: self.number("revision")?,
        };
        core::lapse(&mut session, now);
        core::check_invariants(&session).map_err(|broken| Error::Corrupt(broken.to_owned()))?;
        Ok(Some(session))
    }

    fn holds(&self) -> Result<BTreeMap<StreamId, Hold>, Error> {
        let named = |name: &String| name.strip_prefix("h:").map(|id| (name.clone(), id.to_owned()));
        let hold = |(name, id): (String, String)| {
            let (units, until) = self.text(&name)?.split_once(' ').ok_or_else(|| unreadable("hold"))?;
            let until = Timestamp::from_millis(number(until, "hold")?);
            Ok((parse(&id)?, Hold { units: number(units, "hold")?, until }))
        };
        self.0.keys().filter_map(named).map(hold).collect()
    }

    /// The payment in these fields; `None` if there are none.
    pub(crate) fn payment(&self) -> Result<Option<Payment>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let fate = match self.text("fate")? {
            "pending" => Fate::Pending,
            "credited" => Fate::Credited(record::decode(self.bytes("landing")?, "landing")?),
            "abandoned" => Fate::Abandoned(self.text("reason")?.to_owned()),
            _ => return Err(unreadable("fate")),
        };
        Ok(Some(Payment {
            intent: record::decode(self.bytes("intent")?, "intent")?,
            recorded: self.time("recorded")?,
            attempts: self.attempts()?,
            fate,
            gone: self.number("gone")? == 1,
        }))
    }

    fn attempts(&self) -> Result<Vec<Attempt>, Error> {
        let attempt = |n| record::decode::<Attempt>(self.bytes(&format!("attempt{n}"))?, "attempt");
        (1..=self.number("attempts")?).map(attempt).collect()
    }

    /// The refund in these fields; `None` if there are none.
    pub(crate) fn refund(&self) -> Result<Option<Refund>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let order: RefundOrder = record::decode(self.bytes("order")?, "refund")?;
        let fate = match self.text("fate")? {
            "pending" => RefundFate::Pending,
            "paid" => RefundFate::Paid(record::decode(self.bytes("landing")?, "landing")?),
            "nothing" => RefundFate::Nothing,
            _ => return Err(unreadable("fate")),
        };
        Ok(Some(Refund { order, ordered: self.time("ordered")?, attempts: self.attempts()?, fate }))
    }

    /// The provider's account in these fields; `None` if there are none.
    pub(crate) fn provider(&self) -> Result<Option<Provider>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        Ok(Some(Provider {
            payouts: self.small("payouts")?,
            gathering: self.number("gathering")? == 1,
            gathered: self.usdc("gathered")?,
        }))
    }

    /// The payout in these fields; `None` if there are none.
    pub(crate) fn payout(&self) -> Result<Option<Payout>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let order: PayoutOrder = record::decode(self.bytes("order")?, "payout")?;
        let fate = match self.text("fate")? {
            "gathering" => PayoutFate::Gathering,
            "pending" => PayoutFate::Pending,
            "paid" => PayoutFate::Paid(record::decode(self.bytes("landing")?, "landing")?),
            _ => return Err(unreadable("fate")),
        };
        Ok(Some(Payout {
            order,
            opened: self.time("opened")?,
            gathered: self.usdc("gathered")?,
            parts: self.number("parts")?,
            gas: self.usdc("gas")?,
            sealed: optional(self.text("sealed")?, |text| {
                number(text, "sealed").map(Timestamp::from_millis)
            })?,
            attempts: self.attempts()?,
            fate,
        }))
    }

    /// Whether the session in these fields has this provider on this network.
    pub(crate) fn earned_by(head: &[u8], network: Network, provider: &str) -> Result<bool, Error> {
        let head: Head = record::decode(head, "session")?;
        Ok(head.network == network && head.provider.as_deref() == Some(provider))
    }

    /// Whether the session in these fields was paid by this account on this network.
    pub(crate) fn paid_by(head: &[u8], network: Network, payer: &str) -> Result<bool, Error> {
        let head: Head = record::decode(head, "session")?;
        Ok(head.network == network && head.payer == payer)
    }
}

/// The fields of a session that [`watched`] reads, in its order.
pub(crate) const WATCHED: [&str; 10] = [
    "revision", "revoked", "frozen", "closed", "recalled", "bought", "captured", "refunded", "expired",
    "goods",
];

/// What live streams must learn of a session; `None` if there is no such session.
pub(crate) fn watched(value: Value) -> Result<Option<Watched>, Error> {
    let fields: [Option<String>; 10] = read(value, "session")?;
    let [Some(revision), revoked, frozen, closed, recalled, bought, captured, refunded, expired, goods] =
        fields
    else {
        return Ok(None);
    };
    let count = |field: Option<String>| {
        let text = field.ok_or_else(|| unreadable("session"))?;
        number(&text, "session")
    };
    let recalled = Timestamp::from_millis(count(recalled)?);
    let gone = count(captured)?.saturating_add(count(refunded)?).saturating_add(count(expired)?);
    let by_stream = goods.is_some_and(|goods| goods.ends_with(" stream"));
    Ok(Some(Watched {
        revision: number(&revision, "session")?,
        revoked: count(revoked)? == 1 || count(frozen)? > 0,
        closed: count(closed)? == 1,
        recalled: Some(recalled).filter(|at| at.millis() > 0),
        spent: !by_stream && gone >= count(bought)?,
    }))
}

/// Live streams and when each must have ended.
pub(crate) type Live = BTreeMap<StreamId, Timestamp>;

/// A set of live streams, as `ZRANGE … WITHSCORES` gives it.
pub(crate) fn live(value: Value) -> Result<Live, Error> {
    let entries: Vec<(String, u64)> = read(value, "live streams")?;
    entries.iter().map(|(id, until)| Ok((parse(id)?, Timestamp::from_millis(*until)))).collect()
}

/// A stream as `save_stream` writes it.
pub(crate) fn stream(text: &str) -> Result<Stream, Error> {
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or_else(|| unreadable("stream"));
    let (posted, fence, first_held) = (word()?, word()?, word()?);
    let (posted_at, untold, told_at) = (word()?, word()?, word()?);
    let (reopened, reversed, live_until) = (word()?, word()?, word()?);
    let time = |text: &str| number(text, "stream").map(Timestamp::from_millis);
    Ok(Stream {
        posted: number(posted, "stream")?,
        fence: number(fence, "stream")?,
        first_held: time(first_held)?,
        posted_at: optional(posted_at, time)?,
        untold: number(untold, "stream")?,
        told_at: time(told_at)?,
        reopened: reopened == "1",
        reversed: reversed == "1",
        live_until: optional(live_until, time)?,
    })
}

/// A journal line as `journal` writes it.
pub(crate) fn entry(text: &str) -> Result<Entry, Error> {
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or_else(|| unreadable("journal line"));
    let (at, kind, units, stream, payment) = (word()?, word()?, word()?, word()?, word()?);
    let kind = match kind {
        "credit" => EntryKind::Credit,
        "capture" => EntryKind::Capture,
        "forgo" => EntryKind::Forgo,
        "reverse" => EntryKind::Reverse,
        "expire" => EntryKind::Expire,
        "revoke" => EntryKind::Revoke,
        "close" => EntryKind::Close,
        "refund" => EntryKind::Refund,
        "handover" => EntryKind::HandOver,
        "freeze" => EntryKind::Freeze,
        "thaw" => EntryKind::Thaw,
        _ => return Err(unreadable("journal line")),
    };
    Ok(Entry {
        at: Timestamp::from_millis(number(at, "journal line")?),
        kind,
        units: number(units, "journal line")?,
        stream: optional(stream, parse)?,
        payment: optional(payment, parse)?,
    })
}

fn optional<T>(word: &str, read: impl FnOnce(&str) -> Result<T, Error>) -> Result<Option<T>, Error> {
    if word == "-" { Ok(None) } else { read(word).map(Some) }
}

fn number(text: &str, what: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| unreadable(what))
}

/// The answer to a spending.
pub(crate) fn spent(value: Value) -> Result<Spent, Error> {
    let (kind, charge, left): (u8, usize, u64) = read(value, "spending")?;
    match kind {
        0 => Ok(Spent::Done),
        1 => Ok(Spent::Replayed),
        2 => Ok(Spent::Short { charge, again_in: Duration::from_millis(left) }),
        _ => Err(Error::Corrupt(format!("spending was answered {kind}"))),
    }
}

/// An identifier.
pub(crate) fn parse<T: FromStr<Err = tollwire_x402::Error>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| Error::Corrupt(format!("{text:?}: {error}")))
}
