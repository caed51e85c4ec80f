//! One signature in other shapes.

use serde_json::{Value, json};

/// The order of secp256k1.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// The payload with its 65 signature bytes changed.
pub(crate) fn resigned(payload: &Value, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let text = payload["signature"].as_str().unwrap();
    let mut bytes = hex::decode(text.trim_start_matches("0x")).unwrap();
    change(&mut bytes);
    let mut payload = payload.clone();
    payload["signature"] = json!(format!("0x{}", hex::encode(bytes)));
    payload
}

/// The other signature of the same content: n - s, and the other parity. The token refuses it.
pub(crate) fn high_s(bytes: &mut [u8]) {
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let mut digit = i16::from(ORDER[at]) - i16::from(bytes[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        digit += 256 * borrow;
        bytes[32 + at] = u8::try_from(digit).unwrap();
    }
    bytes[64] = 27 + 28 - bytes[64];
}

/// The 64-byte form of EIP-2098.
pub(crate) fn compact(bytes: &mut Vec<u8>) {
    let parity = bytes.pop().unwrap() - 27;
    bytes[32] |= parity << 7;
}
