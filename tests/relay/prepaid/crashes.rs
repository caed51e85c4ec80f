//! kill -9 in the middle of a call: nothing is charged twice, nothing is lost, and what was held comes back.

use super::account::{Account, Bank, PRICE, claimed};
use crate::rig::{get, send};
use serde_json::json;
use std::time::Duration;

/// Until the broker is sure that its former self is gone, and units that were held have returned.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until_remaining(account: &Account, bank: &Bank, units: u64) {
    let returned = async {
        while account.remaining(&bank.broker).await != units {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, returned).await.expect("what was held did not come back");
}

#[tokio::test]
async fn a_killed_call_is_charged_once_when_it_is_made_again() {
    let mut bank = Bank::open().await;
    let account = bank.account(100_000).await;
    let mut socket = account.socket(&bank.broker).await;
    let claim = "a-claim-that-survives";
    send(&mut socket, &claimed(1, "/held", claim)).await;
    send(&mut socket, &get(2, "/held")).await;
    bank.api.asked(2).await;
    bank.broker.crash_and_restart().await;
    bank.api.release();
    let name = [("tollwire-claim", claim)];
    let made = tokio::time::timeout(PATIENCE, account.call(&bank.broker, "/held", &name));
    let made = made.await.expect("the call was not made again");
    assert_eq!((made.status.as_u16(), made.json()), (200, json!({ "held": true })), "{made:?}");
    // The other's charge returns by itself: nobody can collect it, so nobody paid for it.
    until_remaining(&account, &bank, 100_000 - PRICE).await;
    let books = account.books(&bank.broker).await;
    assert_eq!((&books["captured"], &books["held"]), (&json!(PRICE), &json!(0)), "{books}");
}

/// Killed again and again, at whatever step: what was answered is paid, and nothing else.
#[tokio::test]
async fn killed_at_any_step_the_books_balance() {
    let mut bank = Bank::open().await;
    let account = bank.account(1_000_000).await;
    for round in 0..6_u64 {
        let mut socket = account.socket(&bank.broker).await;
        for id in 0..8 {
            send(&mut socket, &claimed(id, "/slow?5", &format!("claim-number-{round}-{id}"))).await;
        }
        tokio::time::sleep(Duration::from_millis(4 * round)).await;
        bank.broker.crash_and_restart().await;
    }
    for round in 0..6_u64 {
        for id in 0..8 {
            let claim = format!("claim-number-{round}-{id}");
            let name = [("tollwire-claim", claim.as_str())];
            let again = account.call(&bank.broker, "/slow?5", &name);
            let answer = tokio::time::timeout(PATIENCE, again).await.expect("not answered");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    until_remaining(&account, &bank, 1_000_000 - 48 * PRICE).await;
    let books = account.books(&bank.broker).await;
    assert_eq!((&books["captured"], &books["held"]), (&json!(48 * PRICE), &json!(0)), "{books}");
}
