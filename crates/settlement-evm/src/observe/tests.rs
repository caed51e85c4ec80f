use super::*;
use tollwire_exact::evm::Domain;
use tollwire_x402::Network;

fn signed() -> Authorization {
    Authorization {
        from: evm::Address::new([1; 20]),
        to: evm::Address::new([2; 20]),
        value: Money::from_atomic(10_000).unwrap(),
        valid_after: 0,
        valid_before: 1,
        nonce: [3; 32],
    }
}

fn usdc() -> evm::Address {
    Domain::usdc(Network::BASE).unwrap().contract
}

fn log(topics: &[B256], data: &[u8]) -> Log {
    Log {
        address: address(&usdc()),
        topics: topics.to_vec(),
        data: data.to_vec(),
        tx: "0x00".into(),
        block: 1,
    }
}

fn ended(kind: B256, nonce: u8) -> Log {
    log(&[kind, topic(Address::from([1; 20])), B256::from([nonce; 32])], &[])
}

fn transfer(to: u8, amount: u64) -> Log {
    let parties = [1, to].map(|byte| topic(Address::from([byte; 20])));
    let topics = [Usdc::Transfer::SIGNATURE_HASH, parties[0], parties[1]];
    log(&topics, &U256::from(amount).to_be_bytes::<32>())
}

#[test]
fn only_the_transfer_right_after_the_use_counts() {
    let [used, cancelled] = ENDINGS;
    let mut elsewhere = transfer(2, 10_000);
    elsewhere.address = Address::ZERO;
    let cases: [(Vec<Log>, Option<Ending>); 9] = [
        (vec![ended(used, 3), transfer(2, 10_000)], Some(Ending::Paid)),
        // Another contract's log in between is not USDC's.
        (vec![ended(used, 3), elsewhere.clone(), transfer(2, 10_000)], Some(Ending::Paid)),
        (vec![ended(cancelled, 3)], Some(Ending::Cancelled)),
        (vec![ended(used, 3), transfer(2, 9_999)], Some(Ending::OtherTransfer)),
        (vec![ended(used, 3), transfer(9, 10_000)], Some(Ending::OtherTransfer)),
        (vec![ended(used, 3)], Some(Ending::OtherTransfer)),
        // The payment of another nonce in the same transaction is not this one's.
        (
            vec![ended(used, 3), transfer(9, 10_000), ended(used, 4), transfer(2, 10_000)],
            Some(Ending::OtherTransfer),
        ),
        (vec![ended(used, 4), transfer(2, 10_000)], None),
        (vec![transfer(2, 10_000)], None),
    ];
    for (number, (logs, expected)) in cases.into_iter().enumerate() {
        assert_eq!(ending(&usdc(), &signed(), &logs), expected, "case {number}");
    }
}

#[test]
fn logs_of_another_contract_prove_nothing() {
    let mut logs = [ended(ENDINGS[0], 3), transfer(2, 10_000)];
    for log in &mut logs {
        log.address = Address::ZERO;
    }
    assert_eq!(ending(&usdc(), &signed(), &logs), None);
}
