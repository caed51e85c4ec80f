//! Multicall3 at its canonical address: its creation code comes with viem (MIT), which the tests install from npm.

use super::abi::hex0x;
use super::{Anvil, rpc, usdc};
use crate::{Error, tools};
use serde_json::json;

/// Where Multicall3 stands on every chain.
pub const MULTICALL3: &str = "0xcA11bde05977b3631167028862bE2a173976CA11";

/// Creates the contract anywhere and puts its code at its address.
pub(super) async fn deploy(anvil: &Anvil) -> Result<(), Error> {
    let created = usdc::create(anvil, creation_code()?).await?;
    let code = anvil.rpc("eth_getCode", json!([created, "latest"])).await?;
    anvil.rpc("anvil_setCode", json!([MULTICALL3, code])).await.map(drop)
}

fn creation_code() -> Result<Vec<u8>, Error> {
    let path = tools::node_modules()?.join("viem/_cjs/constants/contracts.js");
    let text = std::fs::read_to_string(&path).map_err(Error::io(path.display().to_string()))?;
    let missing = || rpc::wrong("Multicall3", format!("not found in {}", path.display()));
    let (_, rest) = text.split_once("exports.multicall3Bytecode = '0x").ok_or_else(missing)?;
    let (digits, _) = rest.split_once('\'').ok_or_else(missing)?;
    hex::decode(digits).map_err(|error| rpc::wrong("Multicall3", error))
}

impl Anvil {
    /// Takes Multicall3 away, as on a chain that never had it.
    pub async fn remove_multicall(&self) -> Result<(), Error> {
        self.rpc("anvil_setCode", json!([MULTICALL3, hex0x(&[])])).await.map(drop)
    }
}
