//! Configuration files for the facilitator under test.

use std::fmt::Write as _;

/// Where the ledger lives.
#[derive(Debug, Clone)]
pub enum Store {
    /// The embedded ledger, in the test's own folder.
    Embedded,
    /// Redis at this URL.
    Redis(String),
}

/// Which chain settles.
#[derive(Debug, Clone)]
pub enum Chain {
    /// Play money, in the process under test.
    Dev,
    /// A real EVM node.
    Evm { network: &'static str, rpc_url: String, settlement_key: String },
    /// A real Solana node of a cluster of its own.
    Solana {
        network: &'static str,
        rpc_url: String,
        genesis: String,
        settlement_key: String,
        deposit_key: String,
    },
}

/// One feed.
#[derive(Debug, Clone)]
pub struct Feed {
    pub id: &'static str,
    pub upstream: String,
    pub price: &'static str,
    pub deposit_units: &'static str,
    /// More lines of its table.
    pub more: &'static str,
}

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: Store,
    pub chain: Chain,
    pub feeds: Vec<Feed>,
    /// More lines at the top level.
    pub top: String,
    /// The URL agents use, if not this process's own (several nodes behind one name, TLS); `{port}` is its port.
    pub public_url: Option<String>,
    /// The `[limits]` table's lines.
    pub limits: String,
    /// More variables of its environment.
    pub env: Vec<(&'static str, String)>,
}

/// Anvil's first well-known account: the facilitator's settlement key in these tests.
pub const ANVIL_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Its address, and so the deposit wallet.
pub const ANVIL_ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Anvil's second well-known account; it earns in these tests.
pub const PROVIDER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// It earns on Solana.
pub const SOLANA_PROVIDER: &str = "J2xccRtuG43drESLYznHhLhQkLTdfepcKYbiQ9BsJVaf";

impl Feed {
    /// A feed at one cent per stream, in deposits of 100, 10 and 1.
    pub fn ticks(upstream: impl Into<String>) -> Self {
        Self {
            id: "ticks",
            upstream: upstream.into(),
            price: "0.01",
            deposit_units: "[100, 10, 1]",
            more: "",
        }
    }
}

impl Settings {
    /// The dev chain and the embedded ledger.
    pub fn dev(feeds: Vec<Feed>) -> Self {
        Self {
            store: Store::Embedded,
            chain: Chain::Dev,
            feeds,
            top: String::new(),
            public_url: None,
            limits: String::new(),
            env: Vec::new(),
        }
    }

    /// The TOML text.
    pub fn toml(&self, public: u16, admin: u16) -> String {
        let store = match &self.store {
            Store::Embedded => "file:./facilitator.db",
            Store::Redis(url) => url,
        };
        let own = format!("http://127.0.0.1:{public}");
        let url = self.public_url.as_ref().unwrap_or(&own).replace("{port}", &public.to_string());
        let mut text = format!(
            "listen = \"127.0.0.1:{public}\"\npublic_url = \"{url}\"\nstore = \"{store}\"\n{}\n\
             [token]\nissuer = \"{url}\"\nsigning_key = \"file:./session-key.pem\"\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\ntoken = \"env:TOLLWIRE_ADMIN_TOKEN\"\n[limits]\n{}\n",
            self.top, self.limits
        );
        let network = match &self.chain {
            Chain::Dev => {
                text.push_str("[[chain]]\nkind = \"dev\"\n");
                "eip155:84532"
            }
            Chain::Evm { network, rpc_url, .. } => {
                write!(
                    text,
                    "[[chain]]\nnetwork = \"{network}\"\nrpc_url = \"{rpc_url}\"\nsettlement_key = \"env:TOLLWIRE_EVM_KEY\"\n"
                )
                .unwrap();
                network
            }
            Chain::Solana { network, rpc_url, genesis, .. } => {
                write!(
                    text,
                    "[[chain]]\nnetwork = \"{network}\"\nrpc_url = \"{rpc_url}\"\ngenesis = \"{genesis}\"\n\
                     settlement_key = \"env:TOLLWIRE_SOLANA_KEY\"\ndeposit_key = \"env:TOLLWIRE_DEPOSIT_KEY\"\n"
                )
                .unwrap();
                network
            }
        };
        let provider = if matches!(self.chain, Chain::Solana { .. }) { SOLANA_PROVIDER } else { PROVIDER };
        for feed in &self.feeds {
            write!(
                text,
                "[[feed]]\nid = \"{}\"\nupstream = \"{}\"\nprice = \"{}\"\ndeposit_units = {}\n\
                 provider_wallet = {{ \"{network}\" = \"{provider}\" }}\n{}\n",
                feed.id, feed.upstream, feed.price, feed.deposit_units, feed.more
            )
            .unwrap();
        }
        text
    }
}
