//! Tokens whose signature has been verified before, so that the next open costs a hash instead of a signature.

use crate::Claims;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which token: its SHA-256. The token itself is not kept.
pub(crate) type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token).into()
}

/// Verified claims by fingerprint, at most `capacity` of them.
///
/// Two generations: what is used moves to the young one, and when that is half the capacity, the old one is dropped.
/// That is nearly least-recently-used, in constant time.
pub(crate) struct Cache {
    half: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Fingerprint, Arc<Claims>>,
    old: HashMap<Fingerprint, Arc<Claims>>,
}

impl Cache {
    /// A capacity below two caches nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { half: capacity / 2, generations: Mutex::default() }
    }

    pub(crate) fn get(&self, token: &Fingerprint) -> Option<Arc<Claims>> {
        let mut generations = self.lock();
        if let Some(claims) = generations.young.get(token) {
            return Some(claims.clone());
        }
        let claims = generations.old.remove(token)?;
        generations.insert(*token, claims.clone(), self.half);
        Some(claims)
    }

    pub(crate) fn insert(&self, token: Fingerprint, claims: Arc<Claims>) {
        if self.half > 0 {
            self.lock().insert(token, claims, self.half);
        }
    }

    /// A panic elsewhere cannot leave a map half changed.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, token: Fingerprint, claims: Arc<Claims>, half: usize) {
        if self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, claims);
    }
}
