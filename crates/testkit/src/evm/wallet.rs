//! A contract wallet: EIP-1271 in 127 bytes, because no Solidity compiler is at hand; and a factory for it.

use super::Anvil;
use super::abi::{Arg, address_word, encode, hex0x, keccak};
use crate::{Error, rpc};
use serde_json::json;

impl Anvil {
    /// Puts a contract wallet at `address`. It answers `isValidSignature(hash, signature)` with `0x1626ba7e` if
    /// the first 65 bytes of the signature are the owner's over the hash, else with `0xffffffff`.
    pub async fn put_wallet(&self, address: &str, owner: &str) -> Result<(), Error> {
        let code = hex0x(&wallet_code(owner)?);
        self.rpc("anvil_setCode", json!([address, code])).await.map(drop)
    }

    /// Puts a factory at `address` that deploys the wallet of this owner, whatever it is called with, once. Returns the
    /// wallet's address, where nothing is yet.
    pub async fn put_factory(&self, address: &str, owner: &str) -> Result<String, Error> {
        let runtime = wallet_code(owner)?;
        let length = length_bytes(&runtime)?;
        // Creation code: copy what follows and return it.
        let mut creation = vec![0x61, length[0], length[1], 0x60, 0x00, 0x60, 0x00, 0x39];
        creation.extend([0x61, length[0], length[1], 0x60, 0x00, 0xf3]);
        let header = u8::try_from(creation.len()).unwrap_or(u8::MAX);
        if let Some(place) = creation.get_mut(4) {
            *place = header;
        }
        creation.extend(runtime);
        let length = length_bytes(&creation)?;
        // The factory: copy the creation code, which follows, CREATE2 it without salt, return the address.
        let mut code = vec![0x61, length[0], length[1], 0x60, 0x00, 0x60, 0x00, 0x39];
        code.extend([0x60, 0x00, 0x61, length[0], length[1], 0x60, 0x00, 0x60, 0x00, 0xf5]);
        code.extend([0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3]);
        let header = u8::try_from(code.len()).unwrap_or(u8::MAX);
        if let Some(place) = code.get_mut(4) {
            *place = header;
        }
        code.extend(&creation);
        self.rpc("anvil_setCode", json!([address, hex0x(&code)])).await?;
        let mut named = vec![0xff];
        named.extend(address_word(address)?.get(12..).unwrap_or_default());
        named.extend([0; 32]);
        named.extend(keccak(&creation));
        Ok(hex0x(keccak(&named).get(12..).unwrap_or_default()))
    }

    /// Asks a wallet whether it takes a signature.
    pub async fn wallet_accepts(
        &self,
        wallet: &str,
        hash: [u8; 32],
        signature: &[u8],
    ) -> Result<bool, Error> {
        let args = [Arg::Word(hash), Arg::Bytes(signature)];
        let answer = self.call(wallet, &encode("isValidSignature(bytes32,bytes)", &args)?).await?;
        match answer.get(..4) {
            Some(magic) => Ok(magic == [0x16, 0x26, 0xba, 0x7e]),
            None => Err(rpc::wrong("isValidSignature", "no answer")),
        }
    }
}

/// How long code is, as two bytes.
fn length_bytes(code: &[u8]) -> Result<[u8; 2], Error> {
    let length = u16::try_from(code.len()).map_err(|_| rpc::wrong("code", "longer than 65,535 bytes"))?;
    Ok(length.to_be_bytes())
}

/// The wallet's runtime code. Calldata: selector, hash at 4, offset at 36, length at 68, r at 100, s at 132, v at
/// 164 (its first byte).
fn wallet_code(owner: &str) -> Result<Vec<u8>, Error> {
    let mut code = Vec::new();
    code.extend([0x60, 0x04, 0x35, 0x60, 0x00, 0x52]); // memory[0] = hash
    code.extend([0x60, 0xa4, 0x35, 0x60, 0x00, 0x1a, 0x60, 0x20, 0x52]); // memory[32] = v
    code.extend([0x60, 0x64, 0x35, 0x60, 0x40, 0x52]); // memory[64] = r
    code.extend([0x60, 0x84, 0x35, 0x60, 0x60, 0x52]); // memory[96] = s
    // memory[128] = ecrecover(memory[0..128]); it stays 0 if that fails
    code.extend([0x60, 0x20, 0x60, 0x80, 0x60, 0x80, 0x60, 0x00, 0x60, 0x01, 0x5a, 0xfa, 0x50]);
    code.extend([0x60, 0x80, 0x51, 0x73]);
    code.extend(address_word(owner)?.get(12..).unwrap_or_default());
    code.push(0x14); // memory[128] == owner
    let refuse_length = 16_u8;
    let jump = u8::try_from(code.len()).unwrap_or(u8::MAX).saturating_add(3).saturating_add(refuse_length);
    code.extend([0x60, jump, 0x57]); // if so, jump to the acceptance
    code.extend([0x63, 0xff, 0xff, 0xff, 0xff, 0x60, 0xe0, 0x1b]);
    code.extend([0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3]); // return 0xffffffff, left-aligned
    code.extend([0x5b, 0x63, 0x16, 0x26, 0xba, 0x7e, 0x60, 0xe0, 0x1b]);
    code.extend([0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3]); // return 0x1626ba7e, left-aligned
    Ok(code)
}
