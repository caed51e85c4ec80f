//! Signing in by a wallet.

use serde_json::{Value, json};
use tollwire_exact::evm::PrivateKey;
use tollwire_x402::header;

/// `SIGN-IN-WITH-X`: the challenge in an answer's `extensions`, signed as an EIP-4361 message.
pub fn sign_in(body: &Value, signer: &PrivateKey, address: &str) -> String {
    let info = &body["extensions"]["sign-in-with-x"]["info"];
    let text = |name: &str| info[name].as_str().unwrap();
    let network = body["extensions"]["sign-in-with-x"]["supportedChains"][0]["chainId"].as_str().unwrap();
    let resources: Vec<&str> =
        info["resources"].as_array().unwrap().iter().map(|uri| uri.as_str().unwrap()).collect();
    let message = format!(
        "{} wants you to sign in with your Ethereum account:\n{address}\n\n{}\n\nURI: {}\nVersion: {}\n\
         Chain ID: {}\nNonce: {}\nIssued At: {}\nExpiration Time: {}\nResources:\n- {}",
        text("domain"),
        text("statement"),
        text("uri"),
        text("version"),
        network.trim_start_matches("eip155:"),
        text("nonce"),
        text("issuedAt"),
        text("expirationTime"),
        resources.join("\n- "),
    );
    let signature = signer.sign_message(message.as_bytes()).unwrap();
    let mut answer = info.clone();
    answer["address"] = json!(address);
    answer["chainId"] = json!(network);
    answer["type"] = json!("eip191");
    answer["signature"] = json!(format!("0x{}", hex::encode(signature.as_bytes())));
    header::encode(&answer).unwrap()
}
