//! What the dev chain accepts: the reference facilitator's checks, over the state in memory.

use super::NETWORK;
use super::world::{Authorized, World};
use crate::{Identified, Refusal};
use serde_json::Value;
use tollwire_exact::evm::{Address, Checked, Dialect, Domain, Payload, check_at, check_static};
use tollwire_x402::reason;
use tollwire_x402::v2::PaymentRequirements;

/// The checks that need neither state nor time.
pub(super) fn form(requirements: &PaymentRequirements, payload: &Value) -> Result<Identified, Refusal> {
    identified(requirements, check_static(requirements, payload, Dialect::V2)?)
}

/// All checks, in the reference order.
pub(super) fn everything(
    world: &World,
    requirements: &PaymentRequirements,
    payload: &Value,
    now: u64,
) -> Result<Identified, Refusal> {
    let checked = check_at(requirements, payload, Dialect::V2, now)?;
    let (payer, used_nonce) = (account(&checked.payer()), nonce(&checked.payload.authorization.nonce));
    let identified = identified(requirements, checked)?;
    if world.used(&payer, &used_nonce).is_some() {
        let message = "the nonce was used before; sign a new authorization";
        return Err(Refusal::new(reason::EVM_NONCE_ALREADY_USED, message).by(identified.payer));
    }
    if world.balance(&payer) < identified.amount {
        let message = format!("the payer owns {}", world.balance(&payer));
        return Err(Refusal::new(reason::EVM_INSUFFICIENT_BALANCE, message).by(identified.payer));
    }
    Ok(identified)
}

/// The authorization of a payload, if the token contract would take its signature.
pub(super) fn authorized(payload: &Value) -> Option<Authorized> {
    let payload = Payload::parse(payload).ok()?;
    let own = payload.recover(&Domain::usdc(NETWORK)?).ok()? == payload.authorization.from;
    own.then(|| authorization(&payload))
}

/// The authorization of a payload whose signature was checked before.
pub(super) fn read(payload: &Value) -> Option<Authorized> {
    Payload::parse(payload).ok().as_ref().map(authorization)
}

fn authorization(payload: &Payload) -> Authorized {
    let signed = &payload.authorization;
    Authorized {
        from: account(&signed.from),
        to: account(&signed.to),
        amount: signed.value,
        valid_after: signed.valid_after,
        valid_before: signed.valid_before,
        nonce: nonce(&signed.nonce),
    }
}

/// The checks that are this chain's own: its network, its one token, and no contract wallets.
fn identified(requirements: &PaymentRequirements, checked: Checked) -> Result<Identified, Refusal> {
    let payer = checked.payer().to_string();
    let refuse = |reason, message: &str| Err(Refusal::new(reason, message).by(payer.clone()));
    let checked = checked.own_key()?;
    if requirements.known_network() != Some(NETWORK) {
        return refuse(reason::INVALID_NETWORK, "the dev chain speaks as eip155:84532");
    }
    let usdc = Domain::usdc(NETWORK).filter(|usdc| usdc.contract == checked.domain.contract);
    let Some(usdc) = usdc else {
        return refuse(reason::ASSET_NOT_DEPLOYED, "the dev chain knows only Base Sepolia's USDC");
    };
    if usdc.name != checked.domain.name {
        return refuse(reason::EVM_TOKEN_NAME_MISMATCH, "extra.name is not the token's; write USDC");
    }
    if usdc.version != checked.domain.version {
        return refuse(reason::EVM_TOKEN_VERSION_MISMATCH, "extra.version is not the token's; write 2");
    }
    Ok(Identified {
        id: checked.id,
        payer,
        amount: checked.payload.authorization.value,
        valid_before: checked.payload.authorization.valid_before,
        signature_checked: checked.signature_checked,
    })
}

/// An account, as the state compares it.
fn account(address: &Address) -> String {
    address.to_string().to_ascii_lowercase()
}

fn nonce(bytes: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(bytes))
}
