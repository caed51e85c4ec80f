//! The official clients, with their own spending caps.

use tollwire_tests::script::Script;

/// An official client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    name: &'static str,
    /// Which of the offered deposits ($10, $1, $0.10, $0.01) it buys by itself, in atomic units.
    pub(crate) atomic: u64,
    /// The versions of x402 that it speaks.
    pub(crate) versions: &'static [u8],
}

/// Takes at most $1.
pub(crate) const FETCH: Client = Client { name: "fetch", atomic: 1_000_000, versions: &[1, 2] };
/// Takes at most $1.
pub(crate) const AXIOS: Client = Client { name: "axios", atomic: 1_000_000, versions: &[1, 2] };
/// Takes at most $0.10.
pub(crate) const LEGACY_FETCH: Client = Client { name: "legacy_fetch", atomic: 100_000, versions: &[1] };
/// Takes what is offered first.
pub(crate) const LEGACY_AXIOS: Client = Client { name: "legacy_axios", atomic: 10_000_000, versions: &[1] };
/// Takes at most $1.
pub(crate) const HTTPX: Client = Client { name: "httpx", atomic: 1_000_000, versions: &[1, 2] };
/// Takes at most $1.
pub(crate) const REQUESTS: Client = Client { name: "requests", atomic: 1_000_000, versions: &[1, 2] };

impl Client {
    /// Its program, ready to run in a version of x402.
    pub(crate) fn script(&self, version: u8) -> Script {
        let script = match self.name {
            "httpx" | "requests" => Script::python("clients/python_x402.py").env("HTTP_CLIENT", self.name),
            name => Script::node(&format!("clients/{name}.mjs")),
        };
        script.env("X402_VERSION", version.to_string())
    }
}
