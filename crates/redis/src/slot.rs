//! The slots of a Redis Cluster: which one a key is in, and a tag for each.

use std::sync::LazyLock;

/// How many slots a cluster has.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key: of what stands between the first `{` and the `}` after it, if that is anything, else of all of it.
pub(crate) fn of(key: &[u8]) -> u16 {
    let tagged = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open.saturating_add(1)..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16(tagged.unwrap_or(key)) % SLOTS
}

/// The smallest number whose digits are in that slot: between braces it puts any key there.
pub(crate) fn tag(slot: u16) -> u32 {
    static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let mut tags = vec![None; usize::from(SLOTS)];
        let mut missing = tags.len();
        for number in 0_u32.. {
            if missing == 0 {
                break;
            }
            let slot = usize::from(of(number.to_string().as_bytes()));
            if let Some(free @ None) = tags.get_mut(slot) {
                *free = Some(number);
                missing = missing.saturating_sub(1);
            }
        }
        tags.into_iter().flatten().collect()
    });
    TAGS.get(usize::from(slot)).copied().unwrap_or_default()
}

/// CRC-16/XMODEM, as the cluster specification has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // `CLUSTER KEYSLOT` says so.
        assert_eq!((of(b"foo"), of(b"somekey"), of(b"foo{hash_tag}")), (12_182, 11_058, 2_515));
        assert_eq!(of(b"a{user}b"), of(b"user"));
        assert_eq!(of(b"foo{{bar}}zap"), of(b"{bar"));
        for whole in ["foo{}{bar}", "foo{bar", "}foo{"] {
            assert_eq!(of(whole.as_bytes()), crc16(whole.as_bytes()) % SLOTS, "{whole}");
        }
    }

    #[test]
    fn every_slot_has_a_tag() {
        for slot in 0..SLOTS {
            assert_eq!(of(format!("any:{{{}}}", tag(slot)).as_bytes()), slot);
        }
    }
}
