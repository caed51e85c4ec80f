//! Chance, seeded.

use std::time::Duration;
use tollwire_settlement::dev::BroadcastFault;

/// SplitMix64: small, seeded, the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    pub fn fault(&mut self) -> BroadcastFault {
        match self.roll(6) {
            0 => BroadcastFault::Unsent,
            1 => BroadcastFault::Dropped,
            2 => BroadcastFault::Void,
            3 => BroadcastFault::Superseded,
            4 => BroadcastFault::ReceiptAfter(Duration::from_secs(1 + self.roll(20))),
            _ => BroadcastFault::ReplyLost,
        }
    }
}
