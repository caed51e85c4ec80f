//! Sign-in by the wallet: x402's extension `sign-in-with-x`, on EVM the EIP-4361 message under an EIP-191 signature, on
//! Solana the like message under the wallet's own.
//!
//! A signed message is worth a session, so it is only signed for the very host that is talked to: another host's
//! challenge, passed on, would be answered for a thief.

use crate::endpoint::Endpoint;
use crate::http_client::Answer;
use crate::wallet::Wallet;
use crate::{Error, payment};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;
use tollwire_x402::{Network, header};

/// The extension's key.
const EXTENSION: &str = "sign-in-with-x";

/// What is to be signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Challenge {
    info: Info,
    supported_chains: Vec<Chain>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    domain: String,
    uri: String,
    version: String,
    nonce: String,
    issued_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    chain_id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    #[serde(flatten)]
    info: &'a Info,
    address: &'a str,
    chain_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    signature: String,
}

impl Challenge {
    /// The challenge among a message's extensions.
    pub(crate) fn among(extensions: Option<&Value>) -> Option<Self> {
        Self::deserialize(extensions?.get(EXTENSION)?).ok()
    }

    /// The challenge of a 401.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        if answer.status != http::StatusCode::UNAUTHORIZED {
            return None;
        }
        let problem: Value = serde_json::from_slice(&answer.body).ok()?;
        Self::among(problem.get("extensions"))
    }

    /// Signs it for the host of `asked`: the value of `SIGN-IN-WITH-X`. `networks` are those of the payer; the address
    /// is the same on all of them.
    pub(crate) fn sign(
        &self,
        wallet: &Wallet,
        asked: &Endpoint,
        networks: &[Network],
    ) -> Result<HeaderValue, Error> {
        let info = &self.info;
        if info.domain != asked.authority() || Endpoint::http(&info.uri, true)?.authority() != info.domain {
            return Err(Error::Protocol("a sign-in challenge of another host".into()));
        }
        let fields = [&info.domain, &info.uri, &info.version, &info.nonce, &info.issued_at];
        let more = info.expiration_time.iter().chain(&info.statement).chain(&info.resources);
        if fields.into_iter().chain(more).any(|text| text.chars().any(char::is_control)) {
            return Err(Error::Protocol("a sign-in challenge with control characters".into()));
        }
        let offered = |network: &Network| {
            let (id, kind) = (network.to_string(), kind(*network));
            self.supported_chains.iter().any(|chain| chain.kind == kind && chain.chain_id == id)
        };
        let network = networks.iter().find(|network| wallet.pays_on(**network) && offered(network));
        let network = network.ok_or(Error::Protocol("no sign-in on a network of this payer".into()))?;
        let address = wallet.address();
        let signed = Signed {
            signature: wallet.sign_text(&self.text(&address, *network)?)?,
            address: &address,
            chain_id: &network.to_string(),
            kind: kind(*network),
            info,
        };
        payment::secret(&header::encode(&signed)?)
    }

    /// The message of CAIP-122, which on EVM is that of EIP-4361.
    fn text(&self, address: &str, network: Network) -> Result<String, Error> {
        let Info { domain, uri, version, nonce, issued_at, .. } = &self.info;
        let account = match network {
            Network::Eip155(_) => "Ethereum",
            Network::Solana(_) => "Solana",
        };
        let id = network.to_string();
        let chain = id.split_once(':').map_or("", |(_, reference)| reference);
        let mut text = format!("{domain} wants you to sign in with your {account} account:\n{address}\n\n");
        let mut write = || {
            if let Some(statement) = &self.info.statement {
                writeln!(text, "{statement}")?;
            }
            write!(
                text,
                "\nURI: {uri}\nVersion: {version}\nChain ID: {chain}\nNonce: {nonce}\nIssued At: {issued_at}"
            )?;
            if let Some(expires) = &self.info.expiration_time {
                write!(text, "\nExpiration Time: {expires}")?;
            }
            if !self.info.resources.is_empty() {
                write!(text, "\nResources:")?;
            }
            self.info.resources.iter().try_for_each(|resource| write!(text, "\n- {resource}"))
        };
        write().map_err(|_: std::fmt::Error| Error::Protocol("an unwritable sign-in".into()))?;
        Ok(text)
    }
}

/// How a wallet of a network signs texts.
fn kind(network: Network) -> &'static str {
    match network {
        Network::Eip155(_) => "eip191",
        Network::Solana(_) => "ed25519",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tollwire_exact::evm::recover_message;

    fn challenge(change: &Value) -> Challenge {
        let mut info = json!({
            "domain": "pay.example:4020", "uri": "http://pay.example:4020/feeds/ticks/session", "version": "1",
            "nonce": "6b49d20001020304a1b2c3d4e5f60718", "issuedAt": "2027-01-15T08:00:00.000Z",
            "expirationTime": "2027-01-15T08:05:00.000Z",
            "statement": "Sign in to collect the session you have paid for.",
            "resources": ["http://pay.example:4020/feeds/ticks/session"],
        });
        info.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let extensions = json!({EXTENSION: {
            "info": info, "schema": {}, "supportedChains": [
                {"chainId": "eip155:84532", "type": "eip191"},
                {"chainId": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "type": "ed25519"},
            ],
        }});
        Challenge::among(Some(&extensions)).unwrap()
    }

    /// What `@x402/extensions` 2.27.0 made of this challenge with this key, as the facilitator's own tests have it.
    const OFFICIAL: &str = concat!(
        "0xa33353369ce2ebf3284507d67708391728db6e96dba769df156bca99f553fa652ecf",
        "4ee96b7ef87c885e04cd6de782064a587f08706192be4655dffdafcb74941c",
    );

    #[test]
    fn an_official_client_signs_the_same() {
        let wallet = Wallet::evm(&"07".repeat(32)).unwrap();
        let asked = Endpoint::http("http://pay.example:4020/feeds/ticks/session", true).unwrap();
        let value = challenge(&json!({})).sign(&wallet, &asked, &[Network::BASE, Network::BASE_SEPOLIA]);
        let signed: Value = header::decode(header::SIGN_IN_WITH_X, value.unwrap().as_bytes()).unwrap();
        assert_eq!(signed["signature"], OFFICIAL);
        assert_eq!(signed["chainId"], "eip155:84532");
        let text = challenge(&json!({})).text(&wallet.address(), Network::BASE_SEPOLIA).unwrap();
        let signature = hex::decode(&signed["signature"].as_str().unwrap()[2..]).unwrap();
        let found = recover_message(text.as_bytes(), &signature).unwrap();
        assert_eq!(found.to_string(), wallet.address());
    }

    /// Likewise with a Solana wallet.
    const OFFICIAL_SOLANA: &str =
        "5qJp9tCohxoeJk1Qd15gAMhkLUzXp5qc7F3inXVdJSaekDy46TuE6T6jfRyV4Zde91YnYqisKKUNHj8YNb3c7vKc";

    #[test]
    fn so_does_one_with_a_solana_wallet() {
        let key = tollwire_exact::solana::PrivateKey::from_bytes(&[7; 32]);
        let pair = [[7; 32], *key.address().as_bytes()].concat();
        let wallet = Wallet::solana(&serde_json::to_string(&pair).unwrap()).unwrap();
        let asked = Endpoint::http("http://pay.example:4020/feeds/ticks/session", true).unwrap();
        let networks = [Network::BASE_SEPOLIA, Network::Solana(tollwire_x402::SolanaCluster::Devnet)];
        let value = challenge(&json!({})).sign(&wallet, &asked, &networks);
        let signed: Value = header::decode(header::SIGN_IN_WITH_X, value.unwrap().as_bytes()).unwrap();
        assert_eq!((&signed["signature"], &signed["type"]), (&json!(OFFICIAL_SOLANA), &json!("ed25519")));
        assert_eq!(signed["address"], wallet.address());
    }

    #[test]
    fn nothing_is_signed_for_anybody_else() {
        let wallet = Wallet::evm(&"07".repeat(32)).unwrap();
        let asked = Endpoint::http("http://pay.example:4020/feeds/ticks/session", true).unwrap();
        for change in [
            json!({"domain": "other.example"}),
            json!({"domain": "pay.example"}),
            json!({"uri": "http://other.example/feeds/ticks/session"}),
            json!({"statement": "harmless\n\nURI: http://other.example"}),
            json!({"nonce": "x\ny"}),
        ] {
            let signed = challenge(&change).sign(&wallet, &asked, &[Network::BASE_SEPOLIA]);
            assert!(matches!(signed, Err(Error::Protocol(_))), "{change}");
        }
        let signed = challenge(&json!({})).sign(&wallet, &asked, &[Network::BASE]);
        assert!(matches!(signed, Err(Error::Protocol(_))), "a network that is not ours");
    }
}
