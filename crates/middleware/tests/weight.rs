//! What a provider compiles in: no store, no chain client, no proxy.

use std::process::Command;

#[test]
fn providers_compile_no_store_no_chain_client_and_no_proxy() {
    for package in ["tollwire-middleware", "tollwire-middleware-axum", "tollwire-middleware-hyper"] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--package", package, "--edges", "normal", "--prefix", "none"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(tree.starts_with(package) && tree.contains("tollwire-session"), "{tree}");
        for heavy in [
            "redis",
            "redb",
            "alloy",
            "solana",
            "secp256k1",
            "tollwire-ledger",
            "tollwire-proxy",
            "tollwire-wire",
        ] {
            let found = tree.lines().find(|line| line.contains(heavy));
            assert_eq!(found, None, "{package} brings {heavy}");
        }
    }
}
