//! One broker: what is debited, and what is not.

use super::account::{Account, Bank, PRICE, admin, claimed};
use crate::rig::{ask, code, frame, get, send};
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_tests::agent::{Agent, offer};
use tollwire_tests::http;
use tollwire_tests::ws::open;

fn balance(answer: &Value) -> Value {
    answer["metadata"]["headers"]["tollwire-balance"].clone()
}

#[tokio::test]
async fn a_call_costs_its_price_if_it_is_answered() {
    let bank = Bank::open().await;
    let account = bank.account(100_000).await;
    let mut socket = account.socket(&bank.broker).await;
    let sold = ask(&mut socket, &get(1, "/slow?1")).await;
    assert_eq!(
        (&sold["result"], &sold["metadata"]["settled"]),
        (&json!({ "slow": 1 }), &json!(true)),
        "{sold}"
    );
    assert_eq!((balance(&sold), &sold["paymentResponse"]), (json!("95000"), &Value::Null), "{sold}");
    // Neither an answer of 400 or more, nor none, costs anything.
    let failed = ask(&mut socket, &get(2, "/status?404")).await;
    assert_eq!((&failed["metadata"]["status"], &failed["metadata"]["settled"]), (&json!(404), &json!(false)));
    assert_eq!(code(&ask(&mut socket, &get(3, "/hangup")).await, 3), 502);
    assert_eq!(account.remaining(&bank.broker).await, 95_000);
    let twin = account.call(&bank.broker, "/slow?2", &[]).await;
    assert_eq!((twin.status.as_u16(), twin.header("tollwire-balance")), (200, Some("90000")), "{twin:?}");
    // An API that prices itself gets no token, and costs nothing here.
    let headers = [("tollwire-session", account.token.as_str())];
    assert_eq!(http::get(&bank.broker.url("/relay/free/echo"), &headers).await.status, 200);
    let mut own = get(4, "/echo");
    own["params"]["apiId"] = json!("free");
    assert_eq!(ask(&mut socket, &own).await["metadata"]["status"], 200);
    for seen in bank.api.seen() {
        let said = format!("{:?}", seen.headers);
        assert!(!said.contains(&account.token[..20]) && !said.contains("tollwire"), "{said}");
    }
    let books = account.books(&bank.broker).await;
    assert_eq!((&books["captured"], &books["held"]), (&json!(2 * PRICE), &json!(0)));
    assert!(!bank.broker.output().contains(&account.token), "a token in the log");
    let metrics = http::get(&bank.broker.admin_url("/metrics"), &[]).await.text();
    assert!(metrics.contains("tollwire_relay_charged_total{api=\"demo\"} 10000"), "{metrics}");
}

#[tokio::test]
async fn what_does_not_suffice_is_told_with_an_offer_that_can_be_paid() {
    let bank = Bank::open().await;
    let account = bank.account(10_000).await;
    let mut socket = account.socket(&bank.broker).await;
    for id in 0..2_u64 {
        assert_eq!(ask(&mut socket, &get(id, "/slow?1")).await["metadata"]["settled"], true);
    }
    let short = ask(&mut socket, &get(3, "/slow?1")).await;
    assert_eq!(code(&short, 3), 402);
    assert_eq!(short["error"]["data"]["reason"], "balance_exhausted", "{short}");
    let bill = short["error"]["paymentRequired"].clone();
    let twin = account.call(&bank.broker, "/slow?1", &[]).await;
    assert_eq!((twin.status.as_u16(), twin.header("tollwire-reason")), (402, Some("balance_exhausted")));
    assert_eq!(bank.api.seen().len(), 2, "an API was asked for nothing");

    let offer = offer(&bill, 100_000);
    let payment = account.agent.pay_v2(&bill, &offer, &Agent::terms(&offer));
    let bearer = format!("Bearer {}", account.token);
    let headers = [("authorization", bearer.as_str()), (payment.header, payment.value.as_str())];
    let topped = http::post(bill["resource"]["url"].as_str().unwrap(), &headers, &Value::Null).await;
    assert_eq!(topped.status, 200, "{topped:?}");
    let sold = ask(&mut socket, &get(4, "/slow?1")).await;
    assert_eq!(balance(&sold), "95000", "{sold}");
}

#[tokio::test]
async fn a_claim_names_a_call_which_is_made_and_charged_once() {
    let bank = Bank::open().await;
    let account = bank.account(100_000).await;
    let claim = "a-name-of-my-choice";
    let (mut one, mut other) = (account.socket(&bank.broker).await, account.socket(&bank.broker).await);
    send(&mut one, &claimed(1, "/held", claim)).await;
    bank.api.asked(1).await;
    send(&mut other, &claimed(2, "/held", claim)).await;
    // The socket is gone, the call goes on.
    drop(one);
    bank.api.release();
    assert_eq!(frame(&mut other).await["result"], json!({ "held": true }));
    let again = account.call(&bank.broker, "/held", &[("tollwire-claim", claim)]).await;
    assert_eq!((again.json(), again.header("tollwire-replayed")), (json!({ "held": true }), Some("true")));
    assert_eq!(code(&ask(&mut other, &claimed(3, "/slow?1", claim)).await, 3), 409);
    assert_eq!((bank.api.seen().len(), account.remaining(&bank.broker).await), (1, 95_000));
    // Another account's call of the same name is another call.
    let stranger = bank.account(100_000).await;
    let theirs = stranger.call(&bank.broker, "/held", &[("tollwire-claim", claim)]).await;
    assert_eq!((theirs.header("tollwire-replayed"), bank.api.seen().len()), (None, 2));
}

#[tokio::test]
async fn a_call_is_taken_back_until_it_is_settled() {
    let bank = Bank::open().await;
    let account = bank.account(10_000).await;
    let mut socket = account.socket(&bank.broker).await;
    send(&mut socket, &get(1, "/held")).await;
    bank.api.asked(1).await;
    assert_eq!(account.remaining(&bank.broker).await, 5_000, "held");
    send(&mut socket, &json!({ "id": 2, "method": "relay.cancel", "params": { "id": 1 } })).await;
    let (first, second) = (frame(&mut socket).await, frame(&mut socket).await);
    let (cancelled, ended) = if first["id"] == 2 { (first, second) } else { (second, first) };
    assert_eq!((&cancelled["result"], code(&ended, 1)), (&json!({ "cancelled": true }), 499), "{cancelled}");
    bank.api.given_up(1).await;
    assert_eq!(account.remaining(&bank.broker).await, 10_000, "given back");
}

#[tokio::test]
async fn only_an_accounts_own_token_admits() {
    let bank = Bank::open().await;
    let account = bank.account(10_000).await;
    for token in ["nonsense", &account.token[..account.token.len() - 2]] {
        let bearer = format!("Bearer {token}");
        let refused = open(&bank.broker.socket_url(), &[("authorization", &bearer)]).await.err().unwrap();
        assert_eq!(refused.status, 401, "{refused:?}");
        let url = bank.broker.url("/relay/demo/slow?1");
        let twin = http::get(&url, &[("tollwire-session", token)]).await;
        assert_eq!(
            (twin.status.as_u16(), &twin.json()["type"]),
            (401, &json!("urn:tollwire:problem:account-refused"))
        );
    }
    let by_query = open(&format!("{}?token={}", bank.broker.socket_url(), account.token), &[]).await;
    let mut socket = by_query.unwrap();
    assert_eq!(ask(&mut socket, &get(1, "/slow?1")).await["metadata"]["settled"], true);
    // It opens no stream, and one that was revoked pays for nothing, on sockets that are open too.
    let url = format!("ws://127.0.0.1:{}/feeds/prepaid/ws?token={}", bank.broker.port(), account.token);
    assert_eq!(open(&url, &[]).await.err().unwrap().status, 404);
    let revoked = admin(&bank.broker, "POST", &format!("accounts/{}/revoke", account.jti)).await;
    assert_eq!(revoked.status, 204, "{revoked:?}");
    assert_eq!(code(&ask(&mut socket, &get(2, "/slow?1")).await, 2), 401);
    assert_eq!(bank.api.seen().len(), 1);
    let without = http::get(&bank.broker.admin_url("/admin/accounts"), &[]).await;
    assert_eq!(without.status, 401);
}

/// Its payer gets a fresh token by its wallet alone, and closes it for what is left.
#[tokio::test]
async fn what_is_left_goes_back_to_the_payer() {
    let bank = Bank::open().await;
    let account: Account = bank.account(100_000).await;
    assert_eq!(account.call(&bank.broker, "/slow?1", &[]).await.status, 200);
    let closed = admin(&bank.broker, "POST", &format!("accounts/{}/close", account.jti)).await;
    assert!(closed.status.is_success(), "{closed:?}");
    assert_eq!(account.call(&bank.broker, "/slow?1", &[]).await.status, 401);
    // Calls that were made a moment ago still count as open, for at most ten seconds.
    let refunded = async {
        while account.books(&bank.broker).await["refunded"] != json!(95_000) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refunded).await.expect("not refunded");
    let books = account.books(&bank.broker).await;
    assert_eq!((&books["captured"], &books["remaining"]), (&json!(PRICE), &json!(0)), "{books}");
}
