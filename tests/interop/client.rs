//! The official clients as they come, with their own spending caps.

use tollwire_tests::script::Script;

/// An official client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    name: &'static str,
    /// The versions of x402 that it speaks.
    pub(crate) versions: &'static [u8],
}

pub(crate) const FETCH: Client = Client { name: "fetch", versions: &[1, 2] };
pub(crate) const AXIOS: Client = Client { name: "axios", versions: &[1, 2] };
pub(crate) const LEGACY_FETCH: Client = Client { name: "legacy_fetch", versions: &[1] };
pub(crate) const LEGACY_AXIOS: Client = Client { name: "legacy_axios", versions: &[1] };
pub(crate) const HTTPX: Client = Client { name: "httpx", versions: &[1, 2] };
pub(crate) const REQUESTS: Client = Client { name: "requests", versions: &[1, 2] };

impl Client {
    /// What it buys by itself of deposits of $10, $1, $0.10 and $0.01, in atomic units: in version 2 the largest within
    /// its spending cap of $1, or the first if it has none (`@x402/axios` 2.11); in version 1 what is offered first
    /// there, $0.10, which is the cap of `x402-fetch`.
    pub(crate) fn atomic(&self, version: u8) -> u64 {
        match (version, self.name) {
            (1, _) => 100_000,
            (_, "axios") => 10_000_000,
            _ => 1_000_000,
        }
    }

    /// Its program, ready to run in a version of x402.
    pub(crate) fn script(&self, version: u8) -> Script {
        let script = match self.name {
            "httpx" | "requests" => Script::python("clients/python_x402.py").env("HTTP_CLIENT", self.name),
            name => Script::node(&format!("clients/{name}.mjs")),
        };
        script.env("X402_VERSION", version.to_string())
    }
}
