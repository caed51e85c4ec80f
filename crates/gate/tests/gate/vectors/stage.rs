//! The server that the vectors speak of: a published key, a clock that stands still, feeds, and sessions that are there.

use super::file::PrivateKey;
use crate::socket::Served;
use crate::support::{PUBLIC_URL, Wallet, World, feed_to, issuer, offer_of};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tollwire_gate::feed::Origin;
use tollwire_ledger::model::{Intent, Landing};
use tollwire_ledger::{Command, Ledger as _, Outcome};
use tollwire_session::{Claims, Issuer, KeySet, SigningKey};
use tollwire_settlement::dev::{BroadcastFault, NETWORK};
use tollwire_testkit::feed::Mode;
use tollwire_x402::v2::PaymentRequirements;
use tollwire_x402::{PaymentId, SessionId, StreamId, Unit, header};

/// What the clock says.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The price of a unit, in atomic USDC.
const PRICE: u64 = 10_000;

/// The exchange for which the chain takes its time.
pub(crate) const SLOW: &str = "a settlement that is not known yet is told as such, and never as a bill";

/// RFC 8037, appendix A.1.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";

/// The wallets' seeds: their private keys are this byte, 32 times.
pub(crate) const PAYER: u8 = 7;

/// A session that is there before the first exchange.
pub(crate) struct Given {
    pub(crate) name: &'static str,
    jti: &'static str,
    feed: &'static str,
    unit: Unit,
    bought: u64,
    used: u64,
    revoked: bool,
}

const fn given(
    name: &'static str,
    jti: &'static str,
    feed: &'static str,
    unit: Unit,
    units: (u64, u64),
) -> Given {
    Given { name, jti, feed, unit, bought: units.0, used: units.1, revoked: false }
}

pub(crate) const SESSIONS: [Given; 5] = [
    given("open", "7d444840-9dc0-4acd-b245-5ffdce74fa01", "ticks", Unit::Stream, (100, 0)),
    given("spent", "7d444840-9dc0-4acd-b245-5ffdce74fa02", "ticks", Unit::Stream, (1, 1)),
    Given {
        revoked: true,
        ..given("revoked", "7d444840-9dc0-4acd-b245-5ffdce74fa03", "ticks", Unit::Stream, (1, 0))
    },
    given("talk", "7d444840-9dc0-4acd-b245-5ffdce74fa04", "talk", Unit::Message, (1000, 0)),
    given("low", "7d444840-9dc0-4acd-b245-5ffdce74fa05", "low", Unit::Message, (3, 0)),
];

/// Feeds beside `ticks` and `other`, which are sold by the stream; and the units left at which an agent is told.
const BY_MESSAGE: [(&str, u64); 2] = [("talk", 0), ("low", 5)];

pub(crate) struct Stage {
    served: Served,
    pub(crate) keys: KeySet,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let key = SigningKey::from_pem(PEM).unwrap();
        let keys = KeySet::default().with(&key);
        let world = World::keyed(key, |config| config.settle_wait = Duration::from_millis(300));
        let served = Served::of(world, Mode::Echo, |_| {}).await;
        for (id, low_water) in BY_MESSAGE {
            let mut feed = feed_to(id, &served.upstream.url("/stream"));
            (feed.route.unit, feed.route.low_water) = (Unit::Message, low_water);
            served.world.gate.feeds().add(feed, Origin::Configuration).unwrap();
        }
        let stage = Self { served, keys };
        for (n, session) in SESSIONS.iter().enumerate() {
            stage.seed(n, session).await;
        }
        stage
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.served.address()
    }

    /// What has to be so before an exchange.
    pub(crate) fn before(&self, exchange: &str) {
        if exchange == SLOW {
            let later = BroadcastFault::ReceiptAfter(Duration::from_secs(3));
            self.served.world.chain.faults().next_broadcast(later);
        }
    }

    /// The offer of so many atomic units of a feed.
    pub(crate) async fn offer(&self, feed: &str, atomic: u64) -> PaymentRequirements {
        offer_of(&self.served.world.bill(feed).await, atomic)
    }

    pub(crate) fn wallet(&self, seed: u8) -> Wallet {
        self.served.world.wallet(seed)
    }

    async fn seed(&self, n: usize, session: &Given) {
        let id: SessionId = session.jti.parse().unwrap();
        let paid: PaymentId = format!("eip155:84532/0xaa/0xbb/0x{n:064x}").parse().unwrap();
        let amount = crate::support::usdc(session.bought * PRICE);
        let intent = Intent {
            session: id.clone(),
            feed: session.feed.parse().unwrap(),
            unit: session.unit,
            units: session.bought,
            amount,
            tariff: 1,
            network: NETWORK,
            chain: "dev".into(),
            asset: "0xaa".into(),
            payer: self.wallet(PAYER).key.address().to_string(),
            pay_to: "0xcc".into(),
            quote: None,
            claim: None,
            valid_before: NOW,
            payload: "{}".into(),
            balance_ttl_ms: 1_000_000_000,
            plain: false,
            top_up: false,
            jkt: None,
            provider: None,
        };
        let landing = Landing { tx: "0x1".into(), block: 1, gas: crate::support::usdc(0) };
        self.done(Command::Record { payment: paid.clone(), intent: Box::new(intent) }).await;
        self.done(Command::Credit { payment: paid, session: id.clone(), landing }).await;
        if session.used > 0 {
            self.use_up(&id, session.used).await;
        }
        if session.revoked {
            self.done(Command::Revoke { session: id }).await;
        }
    }

    async fn use_up(&self, session: &SessionId, to: u64) {
        let stream: StreamId = "0123456789abcdef".parse().unwrap();
        let minute = Duration::from_secs(60);
        let (lease, streams_max) = (minute, 9);
        let hold = Command::Hold {
            session: session.clone(),
            stream: stream.clone(),
            fence: None,
            to,
            lease,
            streams_max,
        };
        let outcome = self.served.world.ledger.apply(hold).await.unwrap();
        assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
        let (fence, live_for) = (1, minute);
        self.done(Command::Post { session: session.clone(), stream: stream.clone(), fence, to, live_for })
            .await;
        self.done(Command::End { session: session.clone(), stream, fence, used: to }).await;
    }

    async fn done(&self, command: Command) {
        let outcome = self.served.world.ledger.apply(command).await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
}

/// A session's token, changed.
pub(crate) fn token(name: &str, change: impl FnOnce(&mut Claims)) -> String {
    signed(SigningKey::from_pem(PEM).unwrap(), name, change)
}

/// The same, signed by whichever key.
pub(crate) fn signed(key: SigningKey, name: &str, change: impl FnOnce(&mut Claims)) -> String {
    let session = SESSIONS.iter().find(|session| session.name == name).unwrap();
    let payer = Wallet { key: tollwire_exact::evm::PrivateKey::from_bytes(&[PAYER; 32]).unwrap(), now: NOW };
    let mut claims = Claims {
        iss: PUBLIC_URL.into(),
        aud: PUBLIC_URL.into(),
        sub: payer.key.address().to_string(),
        jti: session.jti.parse().unwrap(),
        feed: session.feed.parse().unwrap(),
        deposited: format!("${}.{:02}", session.bought / 100, session.bought % 100),
        streams_remaining: session.bought - session.used,
        unit: session.unit,
        network: NETWORK,
        chain: "dev".into(),
        iat: NOW,
        nbf: NOW,
        exp: NOW + 86_400,
        generation: 0,
        jkt: None,
    };
    change(&mut claims);
    Issuer::new(key, claims.iss.clone(), claims.aud.clone()).issue(&claims).unwrap()
}

/// A token that is for upstreams, signed by the published key.
pub(crate) fn stream_token() -> String {
    issuer(&SigningKey::from_pem(PEM).unwrap())
        .issue_stream(&tollwire_session::StreamClaims {
            iss: PUBLIC_URL.into(),
            aud: "ticks".into(),
            sub: "0x00".into(),
            jti: SESSIONS[0].jti.parse().unwrap(),
            stream: "0123456789abcdef".parse().unwrap(),
            fence: 1,
            feed: "ticks".parse().unwrap(),
            iat: NOW,
            exp: NOW + 60,
        })
        .unwrap()
}

/// RFC 8032, section 7.1, TEST 2: a key that the server does not know.
pub(crate) fn foreign() -> SigningKey {
    SigningKey::from_pem(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n\
         -----END PRIVATE KEY-----\n",
    )
    .unwrap()
}

/// What wallet 7 signs for an offer, as a v2 payment. Without a quote: that one would be another each time.
pub(crate) fn payment(stage: &Stage, offer: &PaymentRequirements, nonce: u8) -> Value {
    json!({ "x402Version": 2, "accepted": offer, "payload": stage.wallet(PAYER).sign(offer, nonce) })
}

/// The same as a header.
pub(crate) fn as_header(payment: &Value) -> String {
    header::encode(payment).unwrap()
}

pub(crate) fn published() -> PrivateKey {
    PrivateKey { source: "RFC 8037 appendix A.1".into(), pem: PEM.into() }
}

pub(crate) fn wallets() -> Vec<Value> {
    let key = tollwire_exact::evm::PrivateKey::from_bytes(&[PAYER; 32]).unwrap();
    let private_key = format!("0x{}", "07".repeat(32));
    vec![json!({ "name": "payer", "private_key": private_key, "address": key.address().to_string() })]
}

pub(crate) fn feeds() -> Vec<Value> {
    let feed = |id: &str, unit: &str, low_water: u64| {
        json!({
            "id": id, "unit": unit, "price": PRICE.to_string(), "deposit_units": [100, 10, 1],
            "low_water": low_water, "upstream": "sends every message back",
        })
    };
    let by_message = BY_MESSAGE.iter().map(|(id, low_water)| feed(id, "message", *low_water));
    [feed("ticks", "stream", 1), feed("other", "stream", 1)].into_iter().chain(by_message).collect()
}

pub(crate) fn sessions() -> Vec<Value> {
    let row = |session: &Given| {
        json!({
            "name": session.name, "jti": session.jti, "feed": session.feed, "unit": session.unit,
            "payer": "payer", "bought": session.bought, "used": session.used, "revoked": session.revoked,
            "token": token(session.name, |_| {}),
        })
    };
    SESSIONS.iter().map(row).collect()
}
