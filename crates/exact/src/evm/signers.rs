//! Who made which signature, for a while: a payment is looked at when it is verified, when it is settled and when it is
//! retried, and to recover its signer is most of what that costs. With it the separators of the first few domains.

use super::{Address, Domain, Error, Payload, Signature};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many signatures a generation has; two are kept, in all about half a megabyte.
const GENERATION: usize = 1024;

/// How many domains' separators are kept: a facilitator serves a few tokens, and whoever makes up others gains nothing.
const DOMAINS: usize = 8;

/// The digest that was signed, and the signature.
type Key = ([u8; 32], [u8; Signature::BYTES]);

/// Signers of signatures seen lately. Bounded; whoever asks gets the same answer as from [`Payload::recover`].
#[derive(Default)]
pub struct Signers(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Address>,
    old: HashMap<Key, Address>,
    separators: Vec<(Domain, [u8; 32])>,
}

impl Signers {
    /// Who signed, if the signature is an ordinary account's.
    pub fn recover(&self, payload: &Payload, domain: &Domain) -> Result<Address, Error> {
        let signature = Signature::from_bytes(&payload.signature)?;
        let separator = self.generations().separator(domain);
        let digest = payload.authorization.digest_under(&separator);
        let key = (digest, *signature.as_bytes());
        if let Some(known) = self.generations().find(&key) {
            return Ok(known);
        }
        let signer = signature.recover(&digest)?;
        self.generations().keep(key, signer);
        Ok(signer)
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn separator(&mut self, domain: &Domain) -> [u8; 32] {
        if let Some((_, separator)) = self.separators.iter().find(|(known, _)| known == domain) {
            return *separator;
        }
        let separator = domain.separator();
        if self.separators.len() < DOMAINS {
            self.separators.push((domain.clone(), separator));
        }
        separator
    }

    fn find(&self, key: &Key) -> Option<Address> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn keep(&mut self, key: Key, signer: Address) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, signer);
    }
}

impl fmt::Debug for Signers {
    /// Without the signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evm::{Authorization, PrivateKey};
    use tollwire_x402::{Network, Usdc};

    fn signed(nonce: u16) -> (Payload, Domain, Address) {
        let key = PrivateKey::from_hex(&"11".repeat(32)).unwrap();
        let domain = Domain::usdc(Network::BASE).unwrap();
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&nonce.to_be_bytes());
        let authorization = Authorization {
            from: key.address(),
            to: key.address(),
            value: Usdc::from_atomic(1).unwrap(),
            valid_after: 0,
            valid_before: 1,
            nonce: bytes,
        };
        let signature = authorization.sign(&key, &domain).unwrap().as_bytes().to_vec();
        (Payload { signature, authorization }, domain, key.address())
    }

    #[test]
    fn what_is_kept_is_what_would_be_recovered_and_it_is_bounded() {
        let signers = Signers::default();
        for round in 0..2 {
            for nonce in 0..3 * u16::try_from(GENERATION).unwrap() {
                if round == 1 && nonce % 512 != 0 {
                    continue;
                }
                let (payload, domain, signer) = signed(nonce);
                assert_eq!(signers.recover(&payload, &domain), Ok(signer));
            }
        }
        let kept = signers.generations();
        assert!(kept.young.len() <= GENERATION && kept.old.len() <= GENERATION);
    }

    #[test]
    fn domains_beyond_those_kept_are_served_as_well() {
        let signers = Signers::default();
        let (payload, domain, _) = signed(1);
        for chain_id in 1..20 {
            let domain = Domain { chain_id, ..domain.clone() };
            assert_eq!(signers.recover(&payload, &domain), payload.recover(&domain));
        }
        assert_eq!(signers.generations().separators.len(), DOMAINS);
    }

    #[test]
    fn a_kept_signature_speaks_for_nothing_else() {
        let signers = Signers::default();
        let (payload, domain, signer) = signed(1);
        assert_eq!(signers.recover(&payload, &domain), Ok(signer));
        let mut other = payload.clone();
        other.authorization.value = Usdc::from_atomic(2).unwrap();
        assert_ne!(signers.recover(&other, &domain), Ok(signer));
        let elsewhere = Domain::usdc(Network::BASE_SEPOLIA).unwrap();
        assert_ne!(signers.recover(&payload, &elsewhere), Ok(signer));
        let mut damaged = payload;
        damaged.signature[3] ^= 1;
        assert_ne!(signers.recover(&damaged, &domain), Ok(signer));
    }
}
