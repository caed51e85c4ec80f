//! Who is let in: each single defect of a proof is refused, with its code and 4001.

use super::rig::{Agent, Asp, jws, proof, proof_parts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use tollwire_asp::SigningKey;

/// What is done to a proof's header and claims.
type Change<'a> = &'a dyn Fn(&mut Value, &mut Value);

/// Shows a proof; the code of the refusal.
async fn shown(agent: &Agent, session: &str, token: &str, proof: &str) -> (String, u16) {
    let mut peer = agent.open(session).await;
    peer.send(&json!({"type": "auth", "token": token, "dpopProof": proof})).await;
    let error = peer.heard("error").await;
    assert!(proof.is_empty() || !error.to_string().contains(proof), "no proof is echoed");
    (error["code"].as_str().unwrap().to_owned(), peer.ended().await)
}

#[tokio::test]
async fn each_defect_of_a_proof_is_refused() {
    let asp = Asp::start().await;
    let (alpha, _, session) = asp.pair().await;
    let url = asp.broker.url(&Agent::socket_path(&session));
    let other = SigningKey::from_bytes(&[9; 32]);
    let now = super::rig::now();
    let defects: [(&str, Change<'_>); 16] = [
        ("typ", &|header, _| header["typ"] = json!("JWT")),
        ("alg none", &|header, _| header["alg"] = json!("none")),
        ("alg HS256", &|header, _| header["alg"] = json!("HS256")),
        ("alg of another key", &|header, _| header["alg"] = json!("ES256")),
        ("a private key", &|header, _| {
            header["jwk"]["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        }),
        ("no key", &|header, _| drop(header.as_object_mut().unwrap().remove("jwk"))),
        ("a key from elsewhere", &|header, _| header["jku"] = json!("https://evil.example")),
        ("htm", &|_, claims| claims["htm"] = json!("POST")),
        ("htu", &|_, claims| claims["htu"] = json!("https://api.npayload.com/v1/asp/sessions/ase_abc123/ws")),
        ("no htu", &|_, claims| drop(claims.as_object_mut().unwrap().remove("htu"))),
        ("iat long ago", &|_, claims| claims["iat"] = json!(now - 120)),
        ("iat ahead", &|_, claims| claims["iat"] = json!(now + 120)),
        ("no iat", &|_, claims| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("no jti", &|_, claims| drop(claims.as_object_mut().unwrap().remove("jti"))),
        ("ath", &|_, claims| claims["ath"] = json!("WXSA1LYsphIZPxnnP-TMOtF_C_nPwWp8v0tQZBMcSAU")),
        ("no ath", &|_, claims| drop(claims.as_object_mut().unwrap().remove("ath"))),
    ];
    let refused = |code: &str| (code.to_owned(), 4001);
    for (name, change) in defects {
        let (mut header, mut claims) = proof_parts(&alpha.key, "GET", &url, Some(&alpha.token));
        change(&mut header, &mut claims);
        let proof = jws(&header, &claims, &alpha.key);
        assert_eq!(shown(&alpha, &session, &alpha.token, &proof).await, refused("dpop_invalid"), "{name}");
    }
    // By another key: its own, and in the name of the right one.
    let foreign = proof(&other, "GET", &url, Some(&alpha.token));
    assert_eq!(shown(&alpha, &session, &alpha.token, &foreign).await, refused("dpop_invalid"), "thumbprint");
    let (header, claims) = proof_parts(&alpha.key, "GET", &url, Some(&alpha.token));
    let forged = jws(&header, &claims, &other);
    assert_eq!(shown(&alpha, &session, &alpha.token, &forged).await, refused("dpop_invalid"), "signature");
    for bad in ["", "a.b", "a.b.c"] {
        assert_eq!(shown(&alpha, &session, &alpha.token, bad).await, refused("dpop_invalid"), "{bad}");
    }
    // Once.
    let good = proof(&alpha.key, "GET", &url, Some(&alpha.token));
    let mut peer = alpha.open(&session).await;
    peer.send(&json!({"type": "auth", "token": alpha.token, "dpopProof": good})).await;
    peer.heard("auth_ok").await;
    assert_eq!(shown(&alpha, &session, &alpha.token, &good).await, refused("dpop_replayed"));
    // The WebSocket's own spelling of the URL will do.
    let spelled = proof(&alpha.key, "GET", &url.replacen("http", "ws", 1), Some(&alpha.token));
    let mut peer = alpha.open(&session).await;
    peer.send(&json!({"type": "auth", "token": alpha.token, "dpopProof": spelled})).await;
    peer.heard("auth_ok").await;
}

#[tokio::test]
async fn tokens_are_the_broker_s_own_and_for_one_key() {
    let asp = Asp::start().await;
    let (alpha, beta, session) = asp.pair().await;
    let url = asp.broker.url(&Agent::socket_path(&session));
    let refused = |code: &str| (code.to_owned(), 4001);
    for token in ["", "x", "x.y", &beta.token[..beta.token.len() - 1]] {
        let proof = proof(&alpha.key, "GET", &url, Some(token));
        assert_eq!(shown(&alpha, &session, token, &proof).await, refused("auth_failed"), "{token}");
    }
    let claims =
        json!({"c": "oac_acme", "k": alpha.key.verifying_key().thumbprint(), "e": 4_000_000_000_u64});
    let made_up =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()), URL_SAFE_NO_PAD.encode([0; 32]));
    let shown_with = proof(&alpha.key, "GET", &url, Some(&made_up));
    assert_eq!(shown(&alpha, &session, &made_up, &shown_with).await, refused("auth_failed"));

    let token_url = asp.broker.url("/oauth/token");
    let fresh = || proof(&alpha.key, "POST", &token_url, None);
    let error = |answer: tollwire_tests::http::Answer| {
        (answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned())
    };
    assert_eq!(error(asp.ask_token("oac_acme", "wrong", &fresh()).await), (401, "invalid_client".into()));
    assert_eq!(
        error(asp.ask_token("oac_nobody", asp.secret(), &fresh()).await),
        (401, "invalid_client".into())
    );
    assert_eq!(error(asp.ask_token("oac_acme", asp.secret(), "x").await), (400, "invalid_dpop_proof".into()));
    let once = fresh();
    assert_eq!(asp.ask_token("oac_acme", asp.secret(), &once).await.status, 200);
    assert_eq!(
        error(asp.ask_token("oac_acme", asp.secret(), &once).await),
        (400, "invalid_dpop_proof".into())
    );
}

#[tokio::test]
async fn a_connection_begins_with_auth_and_stays_one_agent_s() {
    let asp = Asp::with("store = \"memory:\"", "auth_wait = \"300ms\"").await;
    let (alpha, beta, session) = asp.pair().await;
    let gamma = asp.agent("elsewhere").await;
    for frame in [json!({"type": "send", "envelope": {}}), json!({"type": "pong"}), json!({"type": "auth"})] {
        let mut peer = alpha.open(&session).await;
        peer.send(&frame).await;
        peer.error("auth_required").await;
        assert_eq!(peer.ended().await, 4001, "{frame}");
    }
    let mut silent = alpha.open(&session).await;
    silent.error("auth_required").await;
    assert_eq!(silent.ended().await, 4001);

    let mut stranger = gamma.open(&session).await;
    stranger.send(&gamma.auth(&session, None)).await;
    stranger.error("forbidden").await;
    assert_eq!(stranger.ended().await, 4003);
    let mut lost = alpha.open("ase_nobody").await;
    lost.send(&alpha.auth("ase_nobody", None)).await;
    lost.error("session_not_found").await;
    assert_eq!(lost.ended().await, 4004);
    let mut ahead = alpha.open(&session).await;
    ahead.send(&alpha.auth(&session, Some(1))).await;
    ahead.error("sequence_ahead").await;
    assert_eq!(ahead.ended().await, 1008);

    let (mut a, _) = alpha.connect(&session, None).await;
    a.send(&alpha.auth(&session, None)).await;
    assert!(a.is_silent(Duration::from_millis(200)).await, "the same agent's auth refreshes");
    a.send(&beta.auth(&session, None)).await;
    a.error("auth_failed").await;
    assert_eq!(a.ended().await, 4001);
}

#[tokio::test]
async fn a_token_s_end_is_the_connection_s() {
    let asp = Asp::with("store = \"memory:\"", "token_ttl = \"2s\"").await;
    let (alpha, _, session) = asp.pair().await;
    let (mut a, _) = alpha.connect(&session, None).await;
    a.error("token_expired").await;
    assert_eq!(a.ended().await, 4001);
    let url = asp.broker.url(&Agent::socket_path(&session));
    let fresh = proof(&alpha.key, "GET", &url, Some(&alpha.token));
    assert_eq!(shown(&alpha, &session, &alpha.token, &fresh).await, ("token_expired".to_owned(), 4001));
}
