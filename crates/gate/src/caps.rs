//! Caps on work in flight, in all and per address.

use crate::config::Caps;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts work in flight.
#[derive(Debug)]
pub(crate) struct Limiter {
    caps: Caps,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// The right to do one piece of work; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    limiter: Arc<Limiter>,
    address: Option<IpAddr>,
}

impl Limiter {
    pub(crate) fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Self { caps, counts: Mutex::default() })
    }

    /// A pass, unless a cap is reached. Without a known address only the common cap counts.
    pub(crate) fn pass(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Pass> {
        let address = address.map(household);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.caps.in_flight_max {
            return None;
        }
        if let Some(address) = address {
            let own = counts.per_address.entry(address).or_default();
            if *own >= self.caps.in_flight_per_address_max {
                return None;
            }
            *own = own.saturating_add(1);
        }
        counts.all = counts.all.saturating_add(1);
        Some(Pass { limiter: Arc::clone(self), address })
    }
}

/// What one client can have many addresses of: an IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(own) = counts.per_address.get_mut(&address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                counts.per_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_come_back() {
        let limiter = Limiter::new(Caps { in_flight_max: 3, in_flight_per_address_max: 2 });
        let (one, two): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = limiter.pass(Some(one)).unwrap();
        let _second = limiter.pass(Some(one)).unwrap();
        assert!(limiter.pass(Some(one)).is_none(), "two from one address");
        let _third = limiter.pass(Some(two)).unwrap();
        assert!(limiter.pass(None).is_none(), "three in all");
        drop(first);
        assert!(limiter.pass(Some(one)).is_some());
        let counts = limiter.counts.lock().unwrap();
        assert_eq!((counts.all, counts.per_address.len()), (2, 2));
    }
}
