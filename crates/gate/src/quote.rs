//! Quotes: 128-bit secrets that travel in an offer and come back with its payment, but never reach the chain.
//!
//! A settled payment is public; its quote is not. Who presents a payment *with* its quote is the one who asked for
//! the offer. Quotes are authenticated and carry what they are for, so nothing is stored until a payment is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use tollwire_ledger::Timestamp;
use tollwire_ledger::model::ProofHash;
use tollwire_x402::{FeedId, SessionId};

/// The longest quote we read, in characters.
pub const QUOTE_CHARS_MAX: usize = 256;

/// Format 1, for a new session: the head, then the feed.
const NEW_SESSION: u8 = 1;
/// Format 2, for units added to a session: the head, its `jti`, then the feed.
const TOP_UP: u8 = 2;
/// A `jti`, in characters.
const JTI: usize = 36;
/// Format and target, tariff version, issue time, secret.
const HEAD: usize = 1 + 8 + 8 + 16;
const MAC: usize = 16;

/// How our memos begin. No quote's bytes begin like the text that a memo's mark is made over.
pub const MEMO_PREFIX: &str = "tollwire:";

/// A quote's text. Secret: proves possession of the payment made with it.
#[derive(Clone)]
pub struct Quote(String);

/// What an authentic quote says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// The feed it was made for.
    pub feed: FeedId,
    /// The session that units are to be added to; `None` for a new one.
    pub top_up: Option<SessionId>,
    /// The tariff its offer came from.
    pub tariff: u64,
    /// When it was made.
    pub issued: Timestamp,
}

/// Makes and recognises quotes.
pub struct QuoteKey([u8; 32]);

impl QuoteKey {
    /// From 256 bits that all replicas share.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A quote for a new session on a feed, or for a top-up of one. `secret` is 128 fresh random bits.
    pub fn mint(
        &self,
        feed: &FeedId,
        top_up: Option<&SessionId>,
        tariff: u64,
        now: Timestamp,
        secret: [u8; 16],
    ) -> Quote {
        let mut bytes = Vec::with_capacity(HEAD + JTI + MAC + feed.as_str().len());
        bytes.push(if top_up.is_some() { TOP_UP } else { NEW_SESSION });
        bytes.extend(tariff.to_be_bytes());
        bytes.extend(now.millis().to_be_bytes());
        bytes.extend(secret);
        bytes.extend(top_up.map_or("", SessionId::as_str).bytes());
        bytes.extend(feed.as_str().bytes());
        bytes.extend(self.mac(&bytes));
        Quote(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a quote says, if it is one of ours.
    pub fn open(&self, quote: &Quote) -> Option<Quoted> {
        let bytes = URL_SAFE_NO_PAD.decode(&quote.0).ok()?;
        let (said, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(self.mac(said).as_slice(), mac)) {
            return None;
        }
        let (head, target) = said.split_at_checked(HEAD)?;
        let (kind, numbers) = head.split_first()?;
        let number = |at: usize| {
            let slice = numbers.get(at..at.checked_add(8)?)?;
            Some(u64::from_be_bytes(slice.try_into().ok()?))
        };
        let target = std::str::from_utf8(target).ok()?;
        let (jti, feed) = match *kind {
            NEW_SESSION => ("", target),
            TOP_UP => target.split_at_checked(JTI)?,
            _ => return None,
        };
        Some(Quoted {
            feed: feed.parse().ok()?,
            top_up: if jti.is_empty() { None } else { Some(jti.parse().ok()?) },
            tariff: number(0)?,
            issued: Timestamp::from_millis(number(8)?),
        })
    }

    /// What a payment with this quote carries where the chain has a memo: public, so not the quote but its hash, and a
    /// mark of ours that binds both to what is bought. The payment then buys nothing else, in whatever dialect it comes,
    /// and whoever has the quote can show that the payment is his.
    pub fn memo(&self, quote: &Quote, feed: &FeedId, top_up: Option<&SessionId>) -> String {
        let hash = quote.hash();
        let mut bytes = hash.to_vec();
        bytes.extend(self.mac(&memo_text(&hash, feed, top_up)));
        format!("{MEMO_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The hash of the quote that a memo of ours stands for, if it was made for this purchase.
    pub fn open_memo(&self, memo: &str, feed: &FeedId, top_up: Option<&SessionId>) -> Option<ProofHash> {
        let bytes = URL_SAFE_NO_PAD.decode(memo.strip_prefix(MEMO_PREFIX)?).ok()?;
        let (hash, mac) = bytes.split_first_chunk::<32>()?;
        let made = self.mac(&memo_text(hash, feed, top_up));
        bool::from(subtle::ConstantTimeEq::ct_eq(made.as_slice(), mac)).then_some(*hash)
    }

    fn mac(&self, said: &[u8]) -> [u8; MAC] {
        keyed_hash(&self.0, said)
    }
}

fn memo_text(hash: &ProofHash, feed: &FeedId, top_up: Option<&SessionId>) -> Vec<u8> {
    let target = top_up.map_or("", SessionId::as_str);
    [MEMO_PREFIX.as_bytes(), hash, feed.as_str().as_bytes(), b"\n", target.as_bytes()].concat()
}

/// The first 128 bits of HMAC-SHA256.
pub(crate) fn keyed_hash(key: &[u8; 32], said: &[u8]) -> [u8; MAC] {
    // HMAC takes keys of every length, so this never fails; an all-zero tag would match nothing we made.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; MAC] };
    mac.update(said);
    let full = mac.finalize().into_bytes();
    std::array::from_fn(|at| full[at])
}

impl Quote {
    /// A quote as a client echoed it, authentic or not.
    pub fn presented(text: &str) -> Option<Self> {
        let fits = (16..=QUOTE_CHARS_MAX).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// For the offer that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the ledger keeps of it.
    pub fn hash(&self) -> ProofHash {
        proof_hash(&self.0)
    }
}

impl std::fmt::Debug for Quote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quote(..)")
    }
}

impl std::fmt::Debug for QuoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QuoteKey(..)")
    }
}

/// SHA-256 of a secret.
pub(crate) fn proof_hash(secret: &str) -> ProofHash {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JTI_TEXT: &str = "7d444840-9dc0-4acd-b245-5ffdce74fad2";

    fn quotes(key: &QuoteKey) -> [(Option<SessionId>, Quote); 2] {
        let (feed, issued) = ("ticks".parse().unwrap(), Timestamp::from_millis(1_000));
        [None, Some(JTI_TEXT.parse().unwrap())].map(|top_up: Option<SessionId>| {
            let quote = key.mint(&feed, top_up.as_ref(), 42, issued, [9; 16]);
            (top_up, quote)
        })
    }

    #[test]
    fn a_quote_says_what_it_was_made_for() {
        let key = QuoteKey::new([7; 32]);
        for (top_up, quote) in quotes(&key) {
            let (feed, issued) = ("ticks".parse().unwrap(), Timestamp::from_millis(1_000));
            assert_eq!(key.open(&quote), Some(Quoted { feed, top_up, tariff: 42, issued }));
            assert!(Quote::presented(quote.expose()).is_some());
        }
    }

    #[test]
    fn the_longest_quote_can_be_presented() {
        let key = QuoteKey::new([7; 32]);
        let feed = "f".repeat(64).parse().unwrap();
        let quote = key.mint(&feed, Some(&JTI_TEXT.parse().unwrap()), 1, Timestamp::default(), [9; 16]);
        assert!(Quote::presented(quote.expose()).is_some());
    }

    #[test]
    fn a_quote_cannot_be_bent_or_forged() {
        let key = QuoteKey::new([7; 32]);
        for (_, quote) in quotes(&key) {
            assert_eq!(QuoteKey::new([8; 32]).open(&quote), None);
            let bytes = URL_SAFE_NO_PAD.decode(quote.expose()).unwrap();
            for at in 0..bytes.len() {
                let mut bent = bytes.clone();
                bent[at] ^= 1;
                assert_eq!(key.open(&Quote(URL_SAFE_NO_PAD.encode(bent))), None, "byte {at}");
            }
            for cut in 0..bytes.len() {
                assert_eq!(key.open(&Quote(URL_SAFE_NO_PAD.encode(&bytes[..cut]))), None);
            }
        }
    }

    #[test]
    fn a_memo_stands_for_a_quote_and_a_purchase() {
        let key = QuoteKey::new([7; 32]);
        let (feed, other): (FeedId, FeedId) = ("ticks".parse().unwrap(), "news".parse().unwrap());
        for (top_up, quote) in quotes(&key) {
            let memo = key.memo(&quote, &feed, top_up.as_ref());
            assert!(memo.len() <= 256 && memo.starts_with(MEMO_PREFIX) && !memo.contains(quote.expose()));
            assert_eq!(key.open_memo(&memo, &feed, top_up.as_ref()), Some(quote.hash()));
            let another = if top_up.is_none() { Some(JTI_TEXT.parse().unwrap()) } else { None };
            for (memo, feed, top_up) in [
                (memo.as_str(), &other, top_up.as_ref()),
                (memo.as_str(), &feed, another.as_ref()),
                (&memo[1..], &feed, top_up.as_ref()),
                (&memo[..memo.len() - 1], &feed, top_up.as_ref()),
                (&memo.replace("tollwire:", "tollwire:A"), &feed, top_up.as_ref()),
                ("tollwire:", &feed, top_up.as_ref()),
            ] {
                assert_eq!(key.open_memo(memo, feed, top_up), None, "{memo}");
            }
            assert_eq!(QuoteKey::new([8; 32]).open_memo(&memo, &feed, top_up.as_ref()), None);
        }
    }

    #[test]
    fn its_debug_form_is_empty() {
        for (_, quote) in quotes(&QuoteKey::new([7; 32])) {
            assert!(!format!("{quote:?}").contains(quote.expose()));
        }
    }
}
