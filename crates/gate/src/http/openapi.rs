//! `GET /openapi.json`: the public service described for machines. A test calls every operation in it.

use super::answer::{Answer, json};
use crate::gate::Gate;
use http::StatusCode;
use serde_json::{Value, json};
use tollwire_x402::header;

pub(super) fn get(gate: &Gate) -> Answer {
    json(StatusCode::OK, &document(&gate.config().url("")))
}

fn document(server: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollwire facilitator",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Live WebSocket feeds for agents that pay by themselves, in USDC, over x402.",
        },
        "servers": [{ "url": server }],
        "paths": {
            "/feeds": { "get": operation("listFeeds", "What is sold", &json!({ "200": ok("Feeds", "Feeds") })) },
            "/feeds/{feed}/session": { "parameters": [feed_parameter()], "get": buy() },
            "/feeds/{feed}/ws": { "parameters": [feed_parameter()], "get": stream() },
            "/session/top-up": { "post": top_up() },
            "/session/receipt": { "get": receipt() },
            "/session": { "get": online(), "delete": close() },
            "/verify": { "post": call("verifyPayment", "Would this payment settle now?", "VerifyResponse") },
            "/settle": { "post": call("settlePayment", "Settle this payment, once", "SettleResponse") },
            "/settle/{network}/{transaction}": { "parameters": settlement_parameters(), "get": settlement() },
            "/supported": {
                "get": operation("listSupported", "What can be paid here", &json!({ "200": ok("Kinds", "Supported") }))
            },
            "/.well-known/jwks.json": {
                "get": operation("getKeys", "Public keys of tokens (RFC 7517)", &json!({ "200": { "description": "Keys" } }))
            },
            "/openapi.json": {
                "get": operation("getDescription", "This document", &json!({ "200": { "description": "OpenAPI" } }))
            },
        },
        "components": { "schemas": schemas(), "securitySchemes": {
            "session": { "type": "http", "scheme": "bearer" }, "account": { "type": "http", "scheme": "bearer" },
        } },
    })
}

fn operation(id: &str, summary: &str, responses: &Value) -> Value {
    json!({ "operationId": id, "summary": summary, "responses": responses })
}

fn ok(description: &str, schema: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": reference(schema) } } })
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": reference("Problem") } } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn feed_parameter() -> Value {
    json!({ "name": "feed", "in": "path", "required": true, "schema": { "type": "string", "maxLength": 64 } })
}

fn header_parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": { "type": "string" } })
}

fn query_parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
}

fn payment_parameters() -> Vec<Value> {
    vec![
        header_parameter(header::PAYMENT_SIGNATURE, "x402 v2 payment, base64 JSON"),
        header_parameter(header::X_PAYMENT, "x402 v1 payment, base64 JSON; not beside the v2 one"),
        header_parameter(
            header::TOLLWIRE_CLAIM,
            "16 to 256 characters of your choice; collects the answer again",
        ),
        header_parameter(header::SIGN_IN_WITH_X, "answer to a sign-in challenge, base64 JSON"),
        header_parameter(
            "dpop",
            "proof of a key (RFC 9449): binds the session to it; at each use of a bound session",
        ),
    ]
}

fn buy() -> Value {
    json!({
        "operationId": "buySession",
        "summary": "The bill; with a payment, the session it buys; with a sign-in alone, the newest session there is",
        "parameters": payment_parameters(),
        "responses": {
            "200": ok("Paid, or signed in: the session and its token", "Session"),
            "400": problem("A header is malformed, or the feed wants a DPoP proof beside the payment"),
            "401": problem("The payment was made before: prove that it is yours; carries a sign-in challenge"),
            "402": bill("The offers: x402 v2 in PAYMENT-REQUIRED, v1 in the body; the former can be signed in to as well"),
            "404": problem("No such feed"),
            "409": problem("The payment was made for another purchase"),
            "429": problem("Too many requests in flight"),
            "503": problem("Settlement pending, or the ledger cannot answer: send the same payment again; or the feed is paused"),
        },
    })
}

fn bill(description: &str) -> Value {
    json!({ "description": description, "headers": { "PAYMENT-REQUIRED": { "schema": { "type": "string" } } } })
}

fn top_up() -> Value {
    json!({
        "operationId": "topUpSession",
        "summary": "The bill for more units; with a payment, the same session with more units and a fresh token",
        "security": [{ "session": [] }],
        "parameters": payment_parameters(),
        "responses": {
            "200": ok("Paid: the session, its token and a receipt", "Session"),
            "400": problem("A header is malformed"),
            "401": problem("No token, one that is not ours, or a session that is over or frozen; or the payment was made before"),
            "402": bill("The offers, on the network that the session was paid on"),
            "403": problem("The token or the balance has expired"),
            "404": problem("The feed is gone"),
            "409": problem("The payment was made for another purchase, or the feed is sold otherwise now"),
            "429": problem("Too many requests in flight"),
            "503": problem("Settlement pending, or the ledger cannot answer: send the same payment again"),
        },
    })
}

fn receipt() -> Value {
    json!({
        "operationId": "getReceipt",
        "summary": "What a session bought and used so far, as a JWS that our public keys verify",
        "security": [{ "session": [] }],
        "responses": {
            "200": ok("The receipt", "Receipt"),
            "401": problem("No token, one that is not ours, or an unknown session"),
            "403": problem("The token has expired"),
        },
    })
}

fn stream() -> Value {
    let mut parameters = payment_parameters();
    parameters
        .push(query_parameter("token", "session token, where Authorization cannot be set; not beside it"));
    parameters.push(query_parameter("stream", "as tollwire-stream"));
    parameters.push(query_parameter(
        "control",
        "v1: exhaustion is always a close frame, 4008; the balance is topped up in band",
    ));
    parameters
        .push(header_parameter(header::TOLLWIRE_STREAM, "16 to 64 characters: makes the open idempotent"));
    json!({
        "operationId": "openStream",
        "summary": "Upgrade to the feed's WebSocket, for a token or for a payment on the spot",
        "security": [{ "session": [] }, {}],
        "parameters": parameters,
        "responses": {
            "101": { "description": "Open" },
            "400": problem("Malformed; a token in both places; not a WebSocket handshake"),
            "401": problem("The token is not ours, or its session is unknown, revoked or frozen"),
            "402": { "description": "Neither token nor payment: the offers" },
            "403": problem("Expired, for another feed, or no unit left; the latter carries PAYMENT-REQUIRED"),
            "404": problem("No such feed"),
            "409": problem("This stream id was used before"),
            "502": problem("Upstream refused; nothing was charged"),
            "503": problem("Draining, or the ledger cannot answer"),
        },
    })
}

fn online() -> Value {
    json!({
        "operationId": "checkSession",
        "summary": "How a token's session stands now",
        "security": [{ "session": [] }],
        "responses": {
            "200": ok("The session", "SessionView"),
            "401": problem("No token, one that is not ours, or an unknown session"),
            "403": problem("The token has expired"),
        },
    })
}

fn close() -> Value {
    json!({
        "operationId": "closeSession",
        "summary": "End a session for good; what is left is refunded, falls to the provider or stays, as configured",
        "security": [{ "session": [] }],
        "parameters": payment_parameters(),
        "responses": {
            "200": ok("Ended; what was paid back, if anything was left", "Closure"),
            "202": ok("Ended; its streams are ending, it is frozen, or the refund is under way: ask again", "Closure"),
            "400": problem("A header is malformed"),
            "401": problem("No token, one that is not ours, or no proof of its payer; the latter carries a sign-in challenge"),
            "403": problem("The token has expired"),
            "429": problem("Too many requests in flight"),
            "503": problem("The ledger or the chain cannot answer: ask again"),
        },
    })
}

fn settlement_parameters() -> Value {
    let text = json!({ "type": "string" });
    json!([
        { "name": "network", "in": "path", "required": true, "description": "CAIP-2, or the v1 name", "schema": text },
        { "name": "transaction", "in": "path", "required": true, "schema": text,
          "description": "its hash; or what follows the network in a payment's identity, on EVM {asset}/{payer}/{nonce}" },
    ])
}

fn settlement() -> Value {
    json!({
        "operationId": "getSettlement",
        "summary": "What became of a settlement; of several payments in one transaction, of each",
        "security": [{ "account": [] }, {}],
        "responses": {
            "200": ok("How its payments stand", "Settlements"),
            "401": problem("The account's key is missing or unknown"),
            "403": problem("The account is suspended"),
            "404": problem("Nothing of that name was settled here (status: unknown)"),
            "429": problem("Too many requests in flight"),
            "503": problem("The ledger cannot answer"),
        },
    })
}

fn call(id: &str, summary: &str, schema: &str) -> Value {
    json!({
        "operationId": id,
        "summary": summary,
        "security": [{ "account": [] }, {}],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": reference("FacilitatorRequest") } },
        },
        "responses": {
            "200": ok("The answer, also when it is no", schema),
            "400": problem("The request cannot be read, or lacks a payment-identifier that its offer asks for"),
            "401": problem("The account's key is missing or unknown"),
            "403": problem("The account is suspended"),
            "409": problem("The payment-identifier was used for another payment"),
            "429": problem("The account's rate or quota is used up: ask again with the same payment after Retry-After"),
            "503": problem("The chain or the ledger cannot answer"),
        },
    })
}

fn settlement_status() -> Value {
    json!({ "enum": ["pending", "failed", "settled"] })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let object = json!({ "type": "object" });
    json!({
        "Feeds": { "type": "object", "properties": { "feeds": { "type": "array", "items": object } } },
        "Session": { "type": "object", "required": ["token", "token_type", "expires_at", "ws_url", "session"], "properties": {
            "token": text, "token_type": text, "ws_url": text,
            "expires_at": { "type": "string", "format": "date-time" },
            "session": { "type": "object", "properties": {
                "jti": text, "feed": text, "unit": text, "units_remaining": count, "deposited": text, "chain": text,
            } },
            "receipt": text,
        } },
        "Receipt": { "type": "object", "required": ["receipt"], "properties": { "receipt": text } },
        "SessionView": { "type": "object", "properties": {
            "active": { "type": "boolean" }, "jti": text, "feed": text, "unit": text, "units_remaining": count,
            "live_streams": count, "closed": { "type": "boolean" }, "frozen": { "type": "boolean" },
            "expires_at": { "type": "string", "format": "date-time" },
        } },
        "Closure": { "type": "object", "required": ["jti", "state"], "properties": {
            "jti": text, "state": { "enum": ["closing", "refunding", "refunded", "closed"] },
            "refund": { "type": ["object", "null"], "properties": {
                "number": count, "state": { "enum": ["pending", "paid", "nothing"] }, "units": count, "amount": text,
                "gas": text, "network": text, "to": text, "transaction": { "type": ["string", "null"] },
            } },
        } },
        "FacilitatorRequest": { "type": "object", "required": ["paymentPayload", "paymentRequirements"], "properties": {
            "x402Version": count, "paymentPayload": object, "paymentRequirements": object,
        } },
        "VerifyResponse": { "type": "object", "required": ["isValid"], "properties": {
            "isValid": { "type": "boolean" }, "invalidReason": text, "invalidMessage": text, "payer": text,
        } },
        "SettleResponse": { "type": "object", "required": ["success", "transaction", "network"], "properties": {
            "success": { "type": "boolean" }, "errorReason": text, "errorMessage": text, "payer": text,
            "transaction": text, "network": text, "amount": text,
        } },
        "Settlements": { "type": "object", "required": ["status", "network", "payments"], "properties": {
            "status": settlement_status(), "network": text,
            "payments": { "type": "array", "items": { "type": "object", "properties": {
                "payment": text, "status": settlement_status(), "payer": text, "payTo": text, "asset": text,
                "amount": text, "transaction": text, "errorReason": text, "confirmations": count,
            } } },
        } },
        "Supported": { "type": "object", "properties": {
            "kinds": { "type": "array", "items": object }, "extensions": { "type": "array", "items": text }, "signers": object,
        } },
        "Problem": { "type": "object", "properties": {
            "type": text, "title": text, "status": count, "detail": text,
        } },
    })
}
