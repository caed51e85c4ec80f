//! Connection caps, in all and per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    counts: Arc<Mutex<Counts>>,
    all_max: usize,
    each_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// One connection's place; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Slot {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

impl Slots {
    pub(super) fn new(all_max: usize, each_max: usize) -> Self {
        Self { counts: Arc::default(), all_max, each_max }
    }

    /// A place for a connection from `address`; `exempt` ones count only towards the whole.
    pub(super) fn take(&self, address: IpAddr, exempt: bool) -> Option<Slot> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.all_max {
            return None;
        }
        let address = household(address);
        if !exempt {
            let each = counts.each.entry(address).or_default();
            if *each >= self.each_max {
                return None;
            }
            *each = each.saturating_add(1);
        }
        counts.all = counts.all.saturating_add(1);
        Some(Slot { counts: Arc::clone(&self.counts), address: (!exempt).then_some(address) })
    }
}

/// What one client can have many addresses of: an IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(each) = counts.each.get_mut(&address)
        {
            *each = each.saturating_sub(1);
            if *each == 0 {
                counts.each.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_and_places_return() {
        let slots = Slots::new(3, 2);
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = slots.take(a, false).unwrap();
        let _second = slots.take(a, false).unwrap();
        assert!(slots.take(a, false).is_none(), "two per address");
        let _third = slots.take(b, false).unwrap();
        assert!(slots.take(b, true).is_none(), "three in all");
        drop(first);
        assert!(slots.take(a, false).is_some());
    }

    #[test]
    fn a_client_with_many_addresses_is_one_client() {
        let slots = Slots::new(10, 2);
        let take = |address: &str| slots.take(address.parse().unwrap(), false);
        let _held = (take("2001:db8:0:1::1").unwrap(), take("2001:db8:0:1:ffff::2").unwrap());
        assert!(take("2001:db8:0:1:abcd::3").is_none());
        assert!(take("2001:db8:0:2::1").is_some(), "a neighbour");
    }
}
