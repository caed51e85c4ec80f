//! Whatever is thrown at it: an answer, never a panic, and no second form of one message.

use super::draft::{Draft, limits, offer};
use proptest::prelude::*;
use serde_json::json;
use tollwire_exact::solana::{Message, Said, Transaction, check};

fn look_at(bytes: &[u8]) {
    if let Ok(transaction) = Transaction::from_bytes(bytes) {
        assert_eq!(transaction.to_bytes(), bytes, "read and written it is the same");
        let payload = json!({ "transaction": transaction.to_base64() });
        let _whatever = (check(&offer(), &payload, &limits()), Said::read(&payload));
    }
    let _whatever = Message::parse(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..1_400)) {
        look_at(&bytes);
    }

    #[test]
    fn a_damaged_payment_gets_an_answer(at in 0_usize..600, with: u8, cut in 0_usize..600) {
        let mut transaction = Transaction::unsigned(Draft::good().message()).unwrap().to_bytes();
        let place = at % transaction.len();
        transaction[place] = with;
        look_at(&transaction);
        transaction.truncate(cut);
        look_at(&transaction);
    }

    #[test]
    fn any_text_gets_an_answer(text in ".{0,200}") {
        let payload = json!({ "transaction": text });
        prop_assert!(check(&offer(), &payload, &limits()).is_err());
        prop_assert_eq!(Said::read(&payload), Said::default());
    }

    #[test]
    fn no_bit_of_a_signed_payment_can_be_turned(bit in 0_usize..8 * 500) {
        let payload = Draft::good().payload();
        let mut bytes = Transaction::from_base64(payload["transaction"].as_str().unwrap()).unwrap().to_bytes();
        // The first place is ours, and empty: whatever stands there is replaced.
        let bit = 8 * 65 + bit % (8 * (bytes.len() - 65));
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(transaction) = Transaction::from_bytes(&bytes) {
            let payload = json!({ "transaction": transaction.to_base64() });
            prop_assert!(check(&offer(), &payload, &limits()).is_err());
        }
    }
}
