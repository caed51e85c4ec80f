//! Wallets and signatures against RFC 8032, and what a careless verifier would let pass.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail loudly")]

use proptest::prelude::*;
use tollwire_exact::solana::{Address, Error, PrivateKey, Signature};

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).unwrap();
    bytes
}

/// RFC 8032 section 7.1, TEST 1 to 3: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn the_vectors_of_rfc_8032_hold() {
    for [seed, public, message, signature] in RFC_8032 {
        let (key, message) = (PrivateKey::from_bytes(&bytes(seed)), hex::decode(message).unwrap());
        let signature = Signature::new(bytes(signature));
        assert_eq!(key.address(), Address::new(bytes(public)));
        assert_eq!(key.sign_message(&message), signature);
        assert_eq!(key.address().verify_message(&message, &signature), Ok(()));
        assert_eq!(signature.to_string().parse(), Ok(signature));
    }
}

#[test]
fn forgeries_are_refused() {
    let [seed, _, _, signature] = RFC_8032[1];
    let address = PrivateKey::from_bytes(&bytes(seed)).address();
    let honest: [u8; 64] = bytes(signature);
    let mismatch = |address: &Address, signature: [u8; 64]| {
        assert_eq!(address.verify_message(&[0x72], &Signature::new(signature)), Err(Error::Mismatch));
    };
    // S + L fits the equation as well (RFC 8032 section 5.1.7).
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut second = honest;
    let mut carry = 0;
    for (byte, add) in second[32..].iter_mut().zip(order) {
        let [low, high] = (u16::from(*byte) + u16::from(add) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    mismatch(&address, second);
    // The identity as key and nonce, and S = 0, fit any text.
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut forged = [0; 64];
    forged[0] = 1;
    mismatch(&Address::new(identity), forged);
    // The system program's address: of small order, and nobody's key.
    mismatch(&Address::new([0; 32]), forged);
    mismatch(&Address::new([0; 32]), [0; 64]);
    // No point of the curve at all.
    mismatch(&Address::new([2; 32]), honest);
    mismatch(&PrivateKey::from_bytes(&[7; 32]).address(), honest);
}

#[test]
fn signatures_are_base58_of_64_bytes() {
    let text = Signature::new([9; 64]).to_string();
    assert_eq!(text.parse(), Ok(Signature::new([9; 64])));
    for bad in
        ["", "0x00", &text[1..], &format!("{text}1"), &"1".repeat(65), &"z".repeat(88), &"1".repeat(100_000)]
    {
        assert_eq!(bad.parse::<Signature>(), Err(Error::Signature), "{bad:.90}");
    }
}

#[test]
fn debug_shows_the_address_alone() {
    let key = PrivateKey::from_bytes(&[7; 32]);
    let shown = format!("{key:?} {:?}", key.sign_message(b"x"));
    assert_eq!(shown, format!("PrivateKey {{ address: {}, .. }} Signature(..)", key.address()));
}

proptest! {
    // Few: without optimisation, a verification takes milliseconds.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whoever_signs_verifies_and_nothing_else_does(seed: [u8; 32], message: Vec<u8>, bit in 0..512_usize) {
        let key = PrivateKey::from_bytes(&seed);
        let signature = key.sign_message(&message);
        prop_assert_eq!(key.address().verify_message(&message, &signature), Ok(()));
        let mut bent = *signature.as_bytes();
        bent[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(key.address().verify_message(&message, &Signature::new(bent)), Err(Error::Mismatch));
        let mut longer = message;
        longer.push(0);
        prop_assert_eq!(key.address().verify_message(&longer, &signature), Err(Error::Mismatch));
    }

}

proptest! {
    #[test]
    fn texts_round_trip_or_are_refused(bytes: [u8; 32], text in "\\PC{0,90}") {
        prop_assert_eq!(Address::new(bytes).to_string().parse(), Ok(Address::new(bytes)));
        if let Ok(address) = text.parse::<Address>() { prop_assert_eq!(address.to_string(), text.clone()); }
        if let Ok(signature) = text.parse::<Signature>() { prop_assert_eq!(signature.to_string(), text); }
    }
}
