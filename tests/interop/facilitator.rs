//! Somebody else's resource server settles through us, by the official client of the facilitator API.

use crate::base;
use crate::purchase::FUNDS;
use serde_json::{Value, json};
use tollwire_testkit::evm::Anvil;
use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::script::Script;
use tollwire_tests::settings::{PROVIDER, Settings};

/// A wallet we settle for, beside the provider's.
const SERVED: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

#[tokio::test]
async fn a_resource_server_settles_through_us() {
    let anvil = Anvil::start(8453).await.unwrap();
    let wallet = base::payer();
    anvil.mint(&wallet.address, FUNDS).await.unwrap();
    let settings = Settings {
        chain: base::chain("eip155:8453", &anvil),
        top: format!("[facilitator]\npay_to = [\"{PROVIDER}\", \"{SERVED}\"]"),
        ..Settings::dev(vec![])
    };
    let facilitator = Facilitator::start(settings).await;
    let requirements = json!({
        "scheme": "exact", "network": "eip155:8453", "amount": "5000", "asset": anvil.usdc(), "payTo": PROVIDER,
        "maxTimeoutSeconds": 60, "extra": { "name": "USD Coin", "version": "2" },
    });
    let script = Script::node("clients/facilitator.mjs")
        .env("FACILITATOR_URL", facilitator.url(""))
        .env("PRIVATE_KEY", &wallet.key)
        .env("SERVED_WALLET", SERVED)
        .env("OTHER_WALLET", &wallet.address)
        .env("REQUIREMENTS", requirements.to_string());
    let told = script.result().await;

    let kinds = told["supported"]["kinds"].as_array().unwrap();
    for (version, network) in [(1, "base"), (2, "eip155:8453")] {
        let wanted = |kind: &&Value| kind["x402Version"] == version && kind["network"] == network;
        assert_eq!(kinds.iter().find(wanted).unwrap()["scheme"], "exact", "{kinds:?}");
    }
    assert_eq!(told["verified"]["isValid"], true, "{told}");
    assert_eq!(told["verified"]["payer"].as_str().unwrap().to_lowercase(), wallet.address.to_lowercase());
    for (refused, reason) in [
        ("verifiedForMore", "invalid_exact_evm_payload_authorization_value_mismatch"),
        ("verifiedForServed", "invalid_exact_evm_recipient_mismatch"),
        ("verifiedForOther", "invalid_payment_requirements"),
        ("verifiedAgain", "invalid_exact_evm_nonce_already_used"),
    ] {
        assert_eq!(told[refused]["isValid"], false, "{refused}: {told}");
        assert_eq!(told[refused]["invalidReason"], reason, "{refused}");
    }
    assert_eq!(told["settledForMore"]["success"], false, "{told}");
    assert_eq!(told["settled"]["success"], true, "{told}");
    assert_eq!(told["settledAgain"], told["settled"], "the same settlement, not another");

    let moved = anvil.transfers_to(PROVIDER).await.unwrap();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!((moved[0].value, &moved[0].from), (5_000, &wallet.address.to_lowercase()));
    assert_eq!(told["settled"]["transaction"], moved[0].tx.as_str());
    assert_eq!(anvil.balance_of(&wallet.address).await.unwrap(), FUNDS - 5_000);
}
