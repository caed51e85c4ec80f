//! What an agent asks for that prices itself: it answers an unpaid `/invoke` with 402 and an x402 requirement.

use super::agent::ServiceAgent;
use http::HeaderMap;
use tollwire_x402::header::{self, PAYMENT_REQUIRED};
use tollwire_x402::v2::{PaymentRequired, PaymentRequirements};
use tollwire_x402::{Usdc, asset};

/// The one scheme that is known.
const EXACT: &str = "exact";

/// The price that an answer of 402 names: of its offers the first in USDC, for a wallet that the operator knows. `None` if it
/// names none.
pub(super) fn price(agent: &ServiceAgent, headers: &HeaderMap, body: &[u8]) -> Option<Usdc> {
    let required: PaymentRequired = match headers.get(PAYMENT_REQUIRED) {
        Some(value) => header::decode(PAYMENT_REQUIRED, value.as_bytes()).ok()?,
        None => serde_json::from_slice(body).ok()?,
    };
    let offer = required.accepts.iter().find(|offer| is_ours(agent, offer))?;
    Some(offer.amount).filter(|amount| *amount != Usdc::ZERO)
}

/// Whether it asks for USDC, and for nobody but whom the operator has registered, if anybody.
fn is_ours(agent: &ServiceAgent, offer: &PaymentRequirements) -> bool {
    let Some(usdc) = offer.known_network().and_then(asset::usdc) else { return false };
    let payee = agent.pay_to.get(&usdc.network);
    offer.scheme == EXACT
        && is_same(&offer.asset, usdc.address)
        && (agent.pay_to.is_empty() || payee.is_some_and(|payee| is_same(payee, &offer.pay_to)))
}

/// Addresses of EVM chains may be written in either case.
fn is_same(one: &str, other: &str) -> bool {
    one == other || (one.starts_with("0x") && one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
    const WALLET: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn agent(pay_to: &Value) -> ServiceAgent {
        let body = json!({ "slug": "a", "name": "A", "base_url": "https://a.example", "pay_to": pay_to });
        serde_json::from_value(body).unwrap()
    }

    fn offer(network: &str, asset: &str, pay_to: &str, amount: &str) -> Value {
        json!({ "scheme": "exact", "network": network, "asset": asset, "payTo": pay_to, "amount": amount,
                "maxTimeoutSeconds": 60 })
    }

    fn bill(offers: &[Value]) -> Value {
        json!({ "x402Version": 2, "resource": { "url": "https://a.example/invoke" }, "accepts": offers })
    }

    fn asked(agent: &ServiceAgent, offers: &[Value]) -> Option<u64> {
        let body = bill(offers).to_string();
        price(agent, &HeaderMap::new(), body.as_bytes()).map(Usdc::atomic)
    }

    #[test]
    fn the_first_offer_in_usdc_is_the_price() {
        let agent = agent(&json!({ "eip155:84532": WALLET.to_lowercase() }));
        let fits = |amount: &str| offer("eip155:84532", &USDC.to_lowercase(), WALLET, amount);
        assert_eq!(asked(&agent, &[fits("70000"), fits("1")]), Some(70_000));
        let others = [
            offer("eip155:84532", WALLET, WALLET, "1"),
            offer("eip155:84532", USDC, USDC, "1"),
            offer("eip155:8453", USDC, WALLET, "1"),
            offer("eip155:1", USDC, WALLET, "1"),
        ];
        for other in &others {
            assert_eq!(asked(&agent, std::slice::from_ref(other)), None, "{other}");
        }
        assert_eq!(asked(&agent, &[others[0].clone(), fits("5")]), Some(5), "the others are passed over");
        assert_eq!(asked(&agent, &[fits("0")]), None);
        assert_eq!(asked(&agent, &[]), None);
        let mut upto = fits("1");
        upto["scheme"] = json!("upto");
        assert_eq!(asked(&agent, &[upto]), None);
    }

    #[test]
    fn the_header_is_read_before_the_body_and_nonsense_is_no_price() {
        let agent = agent(&json!({}));
        let anybody = |amount: &str| offer("eip155:84532", USDC, WALLET, amount);
        let mut headers = HeaderMap::new();
        headers.insert(PAYMENT_REQUIRED, header::encode(&bill(&[anybody("7")])).unwrap().parse().unwrap());
        assert_eq!(price(&agent, &headers, b"{}").map(Usdc::atomic), Some(7));
        headers.insert(PAYMENT_REQUIRED, "x".parse().unwrap());
        assert_eq!(price(&agent, &headers, bill(&[anybody("7")]).to_string().as_bytes()), None);
        assert_eq!(price(&agent, &HeaderMap::new(), b"<html>"), None);
        assert_eq!(asked(&agent, &[anybody("7")]), Some(7), "paid from accounts, whatever wallet it names");
    }
}
