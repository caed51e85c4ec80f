//! Payments that were signed for calls and have not been used up.

use super::ApiCall;
use crate::payment::Payment;
use bytes::Bytes;
use http::Method;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What makes a call the same call.
type Key = (String, Method, String, Bytes);

/// Payments by the call that they pay for.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<Key, Vec<Payment>>>);

/// A payment under way: kept when it is dropped, unless it was used up.
pub(super) struct Held<'a> {
    kept: &'a Kept,
    key: Option<Key>,
    payment: Payment,
}

impl Kept {
    /// A payment for this call that was not used up, for one caller.
    pub(super) fn take(&self, call: &ApiCall) -> Option<Payment> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(call);
        let payment = all.get_mut(&key)?.pop();
        if all.get(&key).is_some_and(Vec::is_empty) {
            all.remove(&key);
        }
        payment
    }

    pub(super) fn hold(&self, call: &ApiCall, payment: Payment) -> Held<'_> {
        Held { kept: self, key: Some(key(call)), payment }
    }
}

fn key(call: &ApiCall) -> Key {
    (call.api.clone(), call.method.clone(), call.path.clone(), call.body.clone())
}

impl Held<'_> {
    pub(super) fn payment(&self) -> &Payment {
        &self.payment
    }

    /// It has bought what it could.
    pub(super) fn spent(mut self) {
        self.key = None;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let mut all = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key).or_default().push(self.payment.clone());
        }
    }
}
