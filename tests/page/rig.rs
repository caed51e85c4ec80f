//! A browser's script beside a node.

use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tollwire_testkit::tools;
use tollwire_tests::agent::fresh_nonce;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::script::Script;
use tollwire_tests::settings::PROVIDER;

/// How long a browser may take; two processors may be shared by many.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where pictures are kept.
pub(crate) fn shots(name: &str) -> PathBuf {
    let target = tollwire_tests::facilitator::binary().ancestors().nth(2).unwrap().to_path_buf();
    let folder = target.join("page").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A script that looks at a node's page.
pub(crate) fn look(script: &str, node: &Facilitator) -> Script {
    look_at(script, &node.admin_url("/"), ADMIN_TOKEN)
        .env("PUBLIC_URL", node.url(""))
        .env("PROVIDER", PROVIDER)
}

/// A script that looks at a page.
pub(crate) fn look_at(script: &str, url: &str, token: &str) -> Script {
    Script::node(&format!("page/{script}.mjs"))
        .within(PATIENCE)
        .env("CHROMIUM", tools::chromium().unwrap())
        .env("SHOTS", shots(script))
        .env("ADMIN_URL", url)
        .env("ADMIN_TOKEN", token)
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
}

/// What every visit must have come to: no fault, no failing script, nothing against the policy, no other origin asked.
pub(crate) fn is_sound(seen: &Value, url: &str) {
    assert_eq!(seen["faults"], serde_json::json!([]), "axe");
    assert_eq!(seen["problems"], serde_json::json!([]), "the page's own errors");
    assert_eq!(seen["origins"], serde_json::json!([url.trim_end_matches('/')]), "who was asked");
}
