//! Sign-in by the payer's wallet, as `@x402/extensions` 2.27 signs it.

use crate::support::{Reply, Wallet, World, encode, offer_of, v1_header};
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_x402::header;

/// A v1 payment without a claim: nothing but the wallet can prove it.
async fn paid(world: &World) -> (String, Reply) {
    let required = world.bill("ticks").await;
    let payment = v1_header(&world.wallet(7).sign(&offer_of(&required, 10_000), 1));
    let reply = world.paid_with("ticks", header::X_PAYMENT, &payment, &[]).await;
    assert_eq!(reply.status, StatusCode::OK);
    (payment, reply)
}

async fn challenge(world: &World, payment: &str) -> Value {
    let reply = world.paid_with("ticks", header::X_PAYMENT, payment, &[]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    reply.json()["extensions"]["sign-in-with-x"].clone()
}

/// EIP-4361 as the reference library prepares it.
pub(crate) fn message(info: &Value, address: &str) -> String {
    let text = |name: &str| info[name].as_str().unwrap().to_owned();
    format!(
        "{} wants you to sign in with your Ethereum account:\n{address}\n\n{}\n\nURI: {}\nVersion: 1\n\
         Chain ID: 84532\nNonce: {}\nIssued At: {}\nExpiration Time: {}\nResources:\n- {}",
        text("domain"),
        text("statement"),
        text("uri"),
        text("nonce"),
        text("issuedAt"),
        text("expirationTime"),
        info["resources"][0].as_str().unwrap(),
    )
}

pub(crate) fn answer(info: &Value, wallet: &Wallet, signed: &str) -> String {
    let signature = wallet.key.sign_message(signed.as_bytes()).unwrap();
    let mut proof = info.clone();
    proof["address"] = json!(wallet.key.address().to_string());
    proof["chainId"] = json!("eip155:84532");
    proof["type"] = json!("eip191");
    proof["signature"] = json!(format!("0x{}", hex::encode(signature.as_bytes())));
    encode(&proof)
}

async fn collect(world: &World, payment: &str, proof: &str) -> Reply {
    world.paid_with("ticks", header::X_PAYMENT, payment, &[(header::SIGN_IN_WITH_X, proof)]).await
}

#[tokio::test(start_paused = true)]
async fn the_payer_signs_in_and_gets_its_session() {
    let world = World::new();
    let (payment, first) = paid(&world).await;
    let challenge = challenge(&world, &payment).await;
    assert_eq!(challenge["supportedChains"], json!([{"chainId": "eip155:84532", "type": "eip191"}]));
    let info = &challenge["info"];
    assert_eq!(info["uri"], "http://pay.example:4020/feeds/ticks/session");
    assert_eq!(info["issuedAt"], "2027-01-15T08:00:00.000Z");
    let wallet = world.wallet(7);
    let proof = answer(info, &wallet, &message(info, &wallet.key.address().to_string()));
    let reply = collect(&world, &payment, &proof).await;
    assert_eq!(reply.jti(), first.jti());
    let replayed = collect(&world, &payment, &proof).await;
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED, "a challenge is answered once");
    assert_eq!(replayed.json()["type"], "urn:tollwire:problem:sign-in-refused");
    assert!(replayed.json()["extensions"]["sign-in-with-x"]["info"]["nonce"] != info["nonce"]);
    assert_eq!(world.chain.transfers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_can() {
    let world = World::new();
    let (payment, first) = paid(&world).await;
    let challenge = challenge(&world, &payment).await;
    let info = &challenge["info"];
    let (payer, thief) = (world.wallet(7), world.wallet(8));
    let (payer_address, thief_address) = (payer.key.address().to_string(), thief.key.address().to_string());
    let honest = message(info, &payer_address);
    let mut claims_payer: Value = header::decode("x", answer(info, &thief, &honest).as_bytes()).unwrap();
    claims_payer["address"] = json!(payer_address);
    let mut other_nonce = info.clone();
    other_nonce["nonce"] = json!("00".repeat(16));
    let elsewhere = honest.replace("pay.example:4020 wants", "evil.example wants");
    let later = honest.replace("2027-01-15T08:05:00", "2028-01-15T08:05:00");
    for (case, proof) in [
        ("the thief's own", answer(info, &thief, &message(info, &thief_address))),
        ("the payer's address", encode(&claims_payer)),
        ("a nonce of its own", answer(&other_nonce, &payer, &message(&other_nonce, &payer_address))),
        ("a message for another site", answer(info, &payer, &elsewhere)),
        ("another time", answer(info, &payer, &later)),
    ] {
        let reply = collect(&world, &payment, &proof).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{case}");
        assert!(!reply.leaks_session() && !format!("{reply:?}").contains(&first.jti()), "{case}");
    }
    let honest = answer(info, &payer, &honest);
    assert_eq!(collect(&world, &payment, &honest).await.status, StatusCode::OK, "failed tries burn nothing");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_lasts_five_minutes_and_for_its_feed() {
    let world = World::new();
    let (payment, _) = paid(&world).await;
    let (challenge, wallet) = (challenge(&world, &payment).await, world.wallet(7));
    let info = &challenge["info"];
    let proof = answer(info, &wallet, &message(info, &wallet.key.address().to_string()));
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(collect(&world, &payment, &proof).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_garbled_sign_in_is_malformed() {
    let world = World::new();
    let (payment, _) = paid(&world).await;
    for proof in ["%%%", "e30", "bm90IGpzb24"] {
        let reply = collect(&world, &payment, proof).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{proof}: {reply:?}");
        assert!(reply.json()["detail"].as_str().unwrap().contains("sign-in-with-x"));
    }
}

/// Somebody submitted the authorization before the payer presented it: the money is here, and the payer's wallet claims
/// the session; nobody else's does.
#[tokio::test(start_paused = true)]
async fn a_payment_that_landed_without_us_is_claimed_by_its_payers_wallet() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(2));
    let required = world.bill("ticks").await;
    let payload = world.wallet(7).sign(&offer_of(&required, 10_000), 1);
    world.chain.submit_as_stranger(&payload);
    let payment = v1_header(&payload);
    for (number, status) in [(8, StatusCode::UNAUTHORIZED), (7, StatusCode::OK), (7, StatusCode::OK)] {
        let wallet = world.wallet(number);
        let challenge = challenge(&world, &payment).await;
        let info = &challenge["info"];
        let proof = answer(info, &wallet, &message(info, &wallet.key.address().to_string()));
        let reply = collect(&world, &payment, &proof).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_eq!(
        (world.chain.transfers().len(), world.chain.height()),
        (1, 1),
        "nothing was sent, nothing charged twice"
    );
}
