//! Every check, its reason, and its place in the order.

use super::draft::{AMOUNT, Draft, account_of, fee_payer, limit, limits, mint, offer, payee, payer, price};
use serde_json::{Value, json};
use tollwire_exact::solana::{Address, Limits, PrivateKey, check, program};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

fn stranger() -> PrivateKey {
    PrivateKey::from_bytes(&[3; 32])
}

fn bent(bend: impl FnOnce(&mut Draft)) -> Draft {
    let mut draft = Draft::good();
    bend(&mut draft);
    draft
}

fn reason_of(draft: &Draft) -> &'static str {
    reason_with(&offer(), &draft.payload(), &limits())
}

fn reason_with(offer: &PaymentRequirements, payload: &Value, limits: &Limits) -> &'static str {
    match check(offer, payload, limits) {
        Ok(_) => "",
        Err(refusal) => refusal.reason,
    }
}

fn offer_with(change: &Value) -> PaymentRequirements {
    let mut text = serde_json::to_value(offer()).unwrap();
    text.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(text).unwrap()
}

#[test]
fn what_is_in_order_passes_in_either_form() {
    for version in [Some(0), None] {
        assert_eq!(reason_of(&bent(|draft| draft.version = version)), "");
    }
    let plain = bent(|draft| {
        draft.calls.pop();
    });
    assert_eq!(reason_of(&plain), "");
    let wallets = bent(|draft| {
        draft.calls.extend(std::iter::repeat_n((program::LIGHTHOUSE, vec![payer().address()], vec![1]), 3));
    });
    assert_eq!(reason_of(&wallets), "");
}

#[test]
fn offers_must_be_ours() {
    let payload = Draft::good().payload();
    for (change, reason) in [
        (json!({"scheme": "upto"}), reason::SVM_UNSUPPORTED_SCHEME),
        (json!({"network": "eip155:8453"}), reason::SVM_NETWORK_MISMATCH),
        (json!({"network": "solana:x"}), reason::SVM_NETWORK_MISMATCH),
        (json!({"extra": null}), reason::SVM_MISSING_FEE_PAYER),
        (json!({"extra": {"feePayer": 1}}), reason::SVM_MISSING_FEE_PAYER),
        (json!({"extra": {"feePayer": payer().address().to_string()}}), reason::SVM_FEE_PAYER_NOT_MANAGED),
        (json!({"payTo": "0x00"}), reason::INVALID_PAYMENT_REQUIREMENTS),
        (json!({"asset": "me"}), reason::INVALID_PAYMENT_REQUIREMENTS),
        (json!({"asset": payee().to_string()}), reason::SVM_MINT_MISMATCH),
        (json!({"payTo": payer().address().to_string()}), reason::SVM_RECIPIENT_MISMATCH),
        (json!({"amount": (AMOUNT + 1).to_string()}), reason::SVM_AMOUNT_MISMATCH),
        (json!({"amount": (AMOUNT - 1).to_string()}), reason::SVM_AMOUNT_MISMATCH),
    ] {
        assert_eq!(reason_with(&offer_with(&change), &payload, &limits()), reason, "{change}");
    }
}

#[test]
fn what_is_no_transaction_is_refused() {
    let good = Draft::good().payload();
    let text = good["transaction"].as_str().unwrap();
    for payload in [
        json!(null),
        json!({}),
        json!({"transaction": 1}),
        json!({"transaction": ""}),
        json!({"transaction": "%"}),
        json!({"transaction": format!("{text}AAAA")}),
        json!({"transaction": &text[4..]}),
        json!({"transaction": "A".repeat(2_000)}),
    ] {
        let reason = reason_with(&offer(), &payload, &limits());
        assert_eq!(reason, reason::SVM_TRANSACTION_UNDECODABLE, "{payload}");
    }
}

#[test]
fn everybody_but_us_must_have_signed() {
    let unsigned = bent(|draft| draft.keys.clear());
    assert_eq!(reason_of(&unsigned), reason::SVM_SIGNATURE_INVALID);
    let other_payer = bent(|draft| draft.accounts[0] = stranger().address());
    assert_eq!(reason_of(&other_payer), reason::SVM_FEE_PAYER_MISMATCH);
    let three = bent(|draft| {
        draft.accounts.push(stranger().address());
        draft.signers = 3;
        draft.keys.push(stranger());
    });
    assert_eq!(reason_of(&three), reason::SVM_EXCESSIVE_SIGNERS);
    let generous = Limits { signatures_max: 3, ..limits() };
    assert_eq!(reason_with(&offer(), &three.payload(), &generous), "");
    let third_unsigned = Draft { keys: vec![payer()], ..three };
    let reason = reason_with(&offer(), &third_unsigned.payload(), &generous);
    assert_eq!(reason, reason::SVM_SIGNATURE_INVALID);
    // A signature over another message is none.
    let mut moved = Draft::good().payload()["transaction"].as_str().unwrap().to_owned();
    moved.replace_range(400..404, "AAAA");
    let reason = reason_with(&offer(), &json!({ "transaction": moved }), &limits());
    assert!(
        [reason::SVM_SIGNATURE_INVALID, reason::SVM_TRANSACTION_UNDECODABLE].contains(&reason),
        "{reason}"
    );
}

#[test]
fn lookup_tables_fail_closed() {
    let table = [vec![1], vec![9; 32], vec![1, 0], vec![0]].concat();
    assert_eq!(reason_of(&bent(|draft| draft.lookups = table)), reason::SVM_LOOKUP_TABLES);
}

#[test]
fn instructions_have_their_places() {
    let memo = (program::MEMO, vec![], b"more".to_vec());
    let short = bent(|draft| draft.calls.truncate(2));
    let long = bent(|draft| draft.calls.extend(std::iter::repeat_n(memo.clone(), 4)));
    for draft in [short, long] {
        assert_eq!(reason_of(&draft), reason::SVM_INSTRUCTIONS_LENGTH);
    }
    let set = |at: usize, data: Vec<u8>| bent(|draft| draft.calls[at].2 = data);
    let call = |at: usize, program: Address| bent(|draft| draft.calls[at].0 = program);
    for (draft, reason) in [
        (set(0, price(1)), reason::SVM_COMPUTE_LIMIT),
        (set(0, vec![2, 0, 0]), reason::SVM_COMPUTE_LIMIT),
        (call(0, program::MEMO), reason::SVM_COMPUTE_LIMIT),
        (call(0, program::SYSTEM), reason::SVM_COMPUTE_LIMIT),
        (set(0, limit(200_001)), reason::SVM_COMPUTE_LIMIT_TOO_HIGH),
        (set(1, limit(1)), reason::SVM_COMPUTE_PRICE),
        (set(1, vec![3]), reason::SVM_COMPUTE_PRICE),
        (call(1, program::MEMO), reason::SVM_COMPUTE_PRICE),
        (set(1, price(5_000_001)), reason::SVM_COMPUTE_PRICE_TOO_HIGH),
        (set(1, price(u64::MAX)), reason::SVM_COMPUTE_PRICE_TOO_HIGH),
        // Within both caps, but 20,000 units at 2.1 lamports are more than we pay.
        (set(1, price(2_100_000)), reason::SVM_COMPUTE_PRICE_TOO_HIGH),
        (set(1, price(2_000_000)), ""),
        (call(2, program::MEMO), reason::SVM_NO_TRANSFER),
        (call(2, program::SYSTEM), reason::SVM_NO_TRANSFER),
        (set(2, vec![]), reason::SVM_NO_TRANSFER),
        (set(2, vec![12; 9]), reason::SVM_NO_TRANSFER),
        // `Transfer`, without the mint.
        (set(2, [vec![3], vec![0; 9]].concat()), reason::SVM_NO_TRANSFER),
    ] {
        assert_eq!(reason_of(&draft), reason);
    }
}

#[test]
fn only_memos_and_assertions_may_follow() {
    for (place, reason) in [
        (3, reason::SVM_UNKNOWN_FOURTH),
        (4, reason::SVM_UNKNOWN_FIFTH),
        (5, reason::SVM_UNKNOWN_SIXTH),
        (6, reason::SVM_UNKNOWN_SEVENTH),
    ] {
        for foreign in [program::SYSTEM, program::TOKEN, program::ASSOCIATED_TOKEN, program::COMPUTE_BUDGET] {
            let draft = bent(|draft| {
                draft.calls.truncate(3);
                draft.calls.resize(place, (program::LIGHTHOUSE, vec![], vec![]));
                draft.calls.push((foreign, vec![], vec![0]));
            });
            assert_eq!(reason_of(&draft), reason, "{foreign}");
        }
    }
}

#[test]
fn no_instruction_is_given_a_key_of_ours() {
    let other_own = limits().own[1];
    for own in [fee_payer().address(), other_own] {
        for call in [0, 2, 3] {
            let draft = bent(|draft| match call {
                2 => draft.calls[2].1[0] = own,
                other => draft.calls[other].1.push(own),
            });
            assert_eq!(reason_of(&draft), reason::SVM_FEE_PAYER_TRANSFERRING_FUNDS, "{own} in {call}");
        }
    }
    // The fee payer as authority would need no other signature at all.
    let spending = bent(|draft| {
        draft.accounts.truncate(1);
        (draft.signers, draft.readonly_signers) = (1, 0);
        draft.calls[2].1[3] = fee_payer().address();
        draft.keys.clear();
    });
    assert_eq!(reason_of(&spending), reason::SVM_FEE_PAYER_TRANSFERRING_FUNDS);
}

#[test]
fn the_transfer_is_the_offers() {
    let set = |at: usize, account: Address| bent(|draft| draft.calls[2].1[at] = account);
    let token_2022 = program::associated_token(&payee(), &program::TOKEN_2022, &mint()).unwrap();
    for (draft, reason) in [
        (set(1, stranger().address()), reason::SVM_MINT_MISMATCH),
        (set(2, account_of(&stranger().address())), reason::SVM_RECIPIENT_MISMATCH),
        (set(2, payee()), reason::SVM_RECIPIENT_MISMATCH),
        (set(2, token_2022), reason::SVM_RECIPIENT_MISMATCH),
        (set(0, account_of(&payee())), reason::SVM_RECIPIENT_MISMATCH),
        // Not a signer: a multisig account, or nobody.
        (set(3, stranger().address()), reason::SVM_NO_TRANSFER),
        (bent(|draft| draft.calls[2].1.push(stranger().address())), reason::SVM_NO_TRANSFER),
        (bent(|draft| draft.calls[2].1.truncate(3)), reason::SVM_NO_TRANSFER),
    ] {
        assert_eq!(reason_of(&draft), reason);
    }
    let other_program = bent(|draft| {
        draft.calls[2].0 = program::TOKEN_2022;
        draft.calls[2].1[2] = token_2022;
    });
    assert_eq!(reason_of(&other_program), "");
}

#[test]
fn an_offers_memo_is_there_once() {
    let wanted = offer_with(&json!({
        "extra": {"feePayer": fee_payer().address().to_string(), "memo": "a memo"},
    }));
    let with = |draft: Draft| reason_with(&wanted, &draft.payload(), &limits());
    assert_eq!(with(Draft::good()), "");
    let none = bent(|draft| {
        draft.calls.pop();
    });
    let twice = bent(|draft| {
        let memo = draft.calls[3].clone();
        draft.calls.push(memo);
    });
    for draft in [none, twice] {
        assert_eq!(with(draft), reason::SVM_MEMO_COUNT);
    }
    for memo in ["a memo ", "A memo", ""] {
        let other = bent(|draft| draft.calls[3].2 = memo.into());
        assert_eq!(with(other), reason::SVM_MEMO_MISMATCH);
    }
}

#[test]
fn the_payer_is_named_once_the_transfer_is_read() {
    let draft = bent(|draft| draft.calls[2].1[1] = stranger().address());
    let refusal = check(&offer(), &draft.payload(), &limits()).unwrap_err();
    assert_eq!(refusal.payer, Some(payer().address()));
}

#[test]
fn signatures_are_no_part_of_the_identity() {
    let id = |draft: &Draft| check(&offer(), &draft.payload(), &limits()).unwrap().id;
    let (once, half) = (Draft::good(), bent(|draft| draft.keys.push(fee_payer())));
    assert_eq!(id(&once), id(&half));
    let other = bent(|draft| draft.calls[3].2 = b"another".to_vec());
    assert_ne!(id(&once), id(&other));
}
