//! x402-rs's facilitator on one EVM chain, put together from its crates as its own binary does, on one thread.
//!
//! `RPC_URL`, `PRIVATE_KEY` and `CHAIN_ID` are taken from the environment; prints `listening on 127.0.0.1:PORT`.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use x402_chain_eip155::V2Eip155Exact;
use x402_chain_eip155::chain::config::Eip155ChainConfig;
use x402_chain_eip155::chain::{Eip155ChainProvider, Eip155ChainReference};
use x402_facilitator_local::{FacilitatorLocal, handlers};
use x402_types::chain::{ChainId, ChainProviderOps, ChainRegistry, FromConfig};
use x402_types::scheme::{
    SchemeBlueprints, SchemeRegistry, X402SchemeFacilitator, X402SchemeFacilitatorBuilder, X402SchemeId,
};

type Failure = Box<dyn std::error::Error>;

/// The one chain.
struct Node(Arc<Eip155ChainProvider>);

impl ChainProviderOps for Node {
    fn signer_addresses(&self) -> Vec<String> {
        self.0.signer_addresses()
    }

    fn chain_id(&self) -> ChainId {
        self.0.chain_id()
    }
}

/// Their scheme, built on the one chain.
struct Exact;

impl X402SchemeId for Exact {
    fn namespace(&self) -> &str {
        V2Eip155Exact.namespace()
    }

    fn scheme(&self) -> &str {
        V2Eip155Exact.scheme()
    }
}

impl X402SchemeFacilitatorBuilder<&Node> for Exact {
    fn build(
        &self,
        node: &Node,
        config: Option<serde_json::Value>,
    ) -> Result<Box<dyn X402SchemeFacilitator>, Failure> {
        V2Eip155Exact.build(Arc::clone(&node.0), config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let chain: u64 = setting("CHAIN_ID")?.parse()?;
    let config = Eip155ChainConfig {
        chain_reference: Eip155ChainReference::new(chain),
        inner: serde_json::from_value(json!({
            "signers": [setting("PRIVATE_KEY")?],
            "rpc": [{ "http": setting("RPC_URL")? }],
        }))?,
    };
    let node = Node(Arc::new(Eip155ChainProvider::from_config(&config).await?));
    let id = node.chain_id();
    let schemes = vec![serde_json::from_value(json!({ "id": Exact.id(), "chains": id.to_string() }))?];
    let registry = SchemeRegistry::build(
        ChainRegistry::new(HashMap::from([(id, node)])),
        SchemeBlueprints::new().and_register(Exact),
        &schemes,
    );
    let facilitator = Arc::new(FacilitatorLocal::new(registry));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, handlers::routes().with_state(facilitator)).await?;
    Ok(())
}
