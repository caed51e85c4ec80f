//! Circle's FiatTokenV2_2 at the canonical address, and what tests do with it.

use super::Anvil;
use super::abi::{Arg, address_word, arguments, encode, hex0x, keccak, uint_word};
use crate::{Error, rpc, tools};
use serde_json::{Value, json};

/// Owner, master minter, pauser and blacklister: the first of anvil's funded accounts.
const OWNER: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/// Who may upgrade the proxy; a proxy's admin cannot use the token, so it is nobody else.
const PROXY_ADMIN: &str = "0x00000000000000000000000000000000000000ad";

/// The parts of USDC that differ between chains.
pub(super) struct Token {
    address: &'static str,
    name: &'static str,
}

/// USDC's canonical address and EIP-712 name.
pub(super) fn token(chain_id: u64) -> Result<Token, Error> {
    match chain_id {
        8453 => Ok(Token { address: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", name: "USD Coin" }),
        84532 => Ok(Token { address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e", name: "USDC" }),
        other => Err(rpc::wrong("anvil", format!("no USDC is known for chain {other}"))),
    }
}

/// A `Transfer` log of USDC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The transaction.
    pub tx: String,
    /// Its block.
    pub block: u64,
    /// From whom; lower case.
    pub from: String,
    /// To whom; lower case.
    pub to: String,
    /// Atomic units.
    pub value: u64,
}

/// A signed EIP-3009 authorization, as an x402 payload carries it.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The payer.
    pub from: String,
    /// The payee.
    pub to: String,
    /// Atomic units.
    pub value: u64,
    /// Seconds since the epoch.
    pub valid_after: u64,
    /// Seconds since the epoch.
    pub valid_before: u64,
    /// Random.
    pub nonce: [u8; 32],
    /// The payer's signature.
    pub signature: Vec<u8>,
}

/// Library, implementation and proxy; the proxy's code moves to the canonical address and is initialized there,
/// step by step through the versions as the live contract was.
pub(super) async fn deploy(anvil: &Anvil, token: &Token) -> Result<(), Error> {
    let library = create(anvil, bytecode("SignatureChecker", None)?).await?;
    let implementation = create(anvil, bytecode("FiatTokenV2_2", Some(&library))?).await?;
    let mut proxy = bytecode("FiatTokenProxy", None)?;
    proxy.extend(arguments(&[Arg::Address(&implementation)])?);
    let proxy = create(anvil, proxy).await?;
    let code = anvil.rpc("eth_getCode", json!([proxy, "latest"])).await?;
    anvil.rpc("anvil_setCode", json!([token.address, code])).await?;
    for (slot, value) in [
        ("org.zeppelinos.proxy.implementation", implementation.as_str()),
        ("org.zeppelinos.proxy.admin", PROXY_ADMIN),
    ] {
        let (slot, value) = (hex0x(&keccak(slot.as_bytes())), hex0x(&address_word(value)?));
        anvil.rpc("anvil_setStorageAt", json!([token.address, slot, value])).await?;
    }
    let owner = || Arg::Address(OWNER);
    let name = || Arg::Bytes(token.name.as_bytes());
    for calldata in [
        encode(
            "initialize(string,string,string,uint8,address,address,address,address)",
            &[
                name(),
                Arg::Bytes(b"USDC"),
                Arg::Bytes(b"USD"),
                Arg::Uint(6),
                owner(),
                owner(),
                owner(),
                owner(),
            ],
        )?,
        encode("initializeV2(string)", &[name()])?,
        encode("initializeV2_1(address)", &[owner()])?,
        encode("initializeV2_2(address[],string)", &[Arg::NoAddresses, Arg::Bytes(b"USDC")])?,
        encode("configureMinter(address,uint256)", &[owner(), Arg::Uint(u128::MAX)])?,
    ] {
        anvil.execute(OWNER, token.address, &calldata).await?;
    }
    Ok(())
}

/// Creation code from an artifact, with the library's address where it is linked.
fn bytecode(contract: &str, library: Option<&str>) -> Result<Vec<u8>, Error> {
    let path = tools::usdc_artifact(contract)?;
    let text = std::fs::read(&path).map_err(Error::io(path.display().to_string()))?;
    let artifact: Value = serde_json::from_slice(&text).map_err(|error| rpc::wrong(contract, error))?;
    let mut code = rpc::text(contract, artifact.get("bytecode").unwrap_or(&Value::Null))?;
    // Unlinked places read `__$<34 hex digits>$__`, as long as an address.
    while let (Some(at), Some(library)) = (code.find("__$"), library) {
        code.replace_range(at..at.saturating_add(40), library.trim_start_matches("0x"));
    }
    rpc::bytes(contract, &Value::String(code))
}

pub(super) async fn create(anvil: &Anvil, code: Vec<u8>) -> Result<String, Error> {
    let method = "eth_sendTransaction";
    let transaction = json!([{ "from": OWNER, "data": hex0x(&code), "gas": "0x989680" }]);
    let hash = rpc::text(method, &anvil.rpc(method, transaction).await?)?;
    let receipt = anvil.succeeded(&hash).await?;
    rpc::text("contractAddress", receipt.get("contractAddress").unwrap_or(&Value::Null))
}

impl Anvil {
    /// The address of USDC, as it is written on the live chain.
    pub fn usdc(&self) -> &'static str {
        token(self.chain_id()).map_or("", |token| token.address)
    }

    /// Mints USDC.
    pub async fn mint(&self, to: &str, atomic: u64) -> Result<(), Error> {
        let calldata = encode("mint(address,uint256)", &[Arg::Address(to), Arg::Uint(atomic.into())])?;
        self.execute(OWNER, self.usdc(), &calldata).await.map(drop)
    }

    /// Moves USDC by a plain transfer; `from` needs ETH.
    pub async fn transfer(&self, from: &str, to: &str, atomic: u64) -> Result<(), Error> {
        let calldata = encode("transfer(address,uint256)", &[Arg::Address(to), Arg::Uint(atomic.into())])?;
        self.execute(from, self.usdc(), &calldata).await.map(drop)
    }

    /// The same with a tip that puts it before everything else in its block; returns at once.
    pub async fn hurried_transfer(&self, from: &str, to: &str, atomic: u64) -> Result<String, Error> {
        let calldata = encode("transfer(address,uint256)", &[Arg::Address(to), Arg::Uint(atomic.into())])?;
        let method = "eth_sendTransaction";
        let fee = format!("{:#x}", 500_000_000_000_u64);
        let transaction = json!([{
            "from": from, "to": self.usdc(), "data": hex0x(&calldata), "gas": "0x186a0",
            "maxFeePerGas": fee, "maxPriorityFeePerGas": fee,
        }]);
        rpc::text(method, &self.rpc(method, transaction).await?)
    }

    /// An address's USDC, in atomic units.
    pub async fn balance_of(&self, who: &str) -> Result<u64, Error> {
        let answer = self.call(self.usdc(), &encode("balanceOf(address)", &[Arg::Address(who)])?).await?;
        rpc::quantity("balanceOf", &Value::String(hex0x(&answer)))
    }

    /// USDC's EIP-712 domain separator.
    pub async fn domain_separator(&self) -> Result<[u8; 32], Error> {
        let answer = self.call(self.usdc(), &encode("DOMAIN_SEPARATOR()", &[])?).await?;
        answer.try_into().map_err(|_| rpc::wrong("DOMAIN_SEPARATOR", "not 32 bytes"))
    }

    /// Every transfer to an address so far, mints included.
    pub async fn transfers_to(&self, to: &str) -> Result<Vec<Transfer>, Error> {
        let topics =
            json!([hex0x(&keccak(b"Transfer(address,address,uint256)")), null, hex0x(&address_word(to)?)]);
        self.logs(topics).await?.iter().map(read_transfer).collect()
    }

    /// The transactions that used an authorization of this payer, with its nonce, oldest first.
    pub async fn authorizations_used(&self, payer: &str) -> Result<Vec<(String, String)>, Error> {
        let topics =
            json!([hex0x(&keccak(b"AuthorizationUsed(address,bytes32)")), hex0x(&address_word(payer)?)]);
        let pair = |log: &Value| Ok((field(log, "/transactionHash")?, field(log, "/topics/2")?));
        self.logs(topics).await?.iter().map(pair).collect()
    }

    /// Submits somebody's authorization from `submitter`, who pays the gas; returns the transaction.
    pub async fn submit_authorization(
        &self,
        submitter: &str,
        authorization: &Authorization,
    ) -> Result<String, Error> {
        self.send(submitter, self.usdc(), &authorization.calldata()?).await
    }

    /// What a payer signs to cancel an authorization.
    pub async fn cancel_digest(&self, authorizer: &str, nonce: [u8; 32]) -> Result<[u8; 32], Error> {
        let mut message = keccak(b"CancelAuthorization(address authorizer,bytes32 nonce)").to_vec();
        message.extend(address_word(authorizer)?);
        message.extend(nonce);
        let mut digest = vec![0x19, 0x01];
        digest.extend(self.domain_separator().await?);
        digest.extend(keccak(&message));
        Ok(keccak(&digest))
    }

    /// Cancels an authorization with the payer's signature over [`Anvil::cancel_digest`].
    pub async fn cancel_authorization(
        &self,
        authorizer: &str,
        nonce: [u8; 32],
        signature: &[u8],
    ) -> Result<(), Error> {
        self.execute(OWNER, self.usdc(), &cancellation(authorizer, nonce, signature)?).await.map(drop)
    }

    /// The same without waiting for its block, in which it comes first.
    pub async fn cancel_first(
        &self,
        authorizer: &str,
        nonce: [u8; 32],
        signature: &[u8],
    ) -> Result<(), Error> {
        self.send_first(OWNER, self.usdc(), &cancellation(authorizer, nonce, signature)?).await.map(drop)
    }

    async fn logs(&self, topics: Value) -> Result<Vec<Value>, Error> {
        let method = "eth_getLogs";
        let filter =
            json!([{ "address": self.usdc(), "fromBlock": "0x0", "toBlock": "latest", "topics": topics }]);
        match self.rpc(method, filter).await? {
            Value::Array(logs) => Ok(logs),
            other => Err(rpc::wrong(method, other)),
        }
    }
}

fn cancellation(authorizer: &str, nonce: [u8; 32], signature: &[u8]) -> Result<Vec<u8>, Error> {
    let args = [Arg::Address(authorizer), Arg::Word(nonce), Arg::Bytes(signature)];
    encode("cancelAuthorization(address,bytes32,bytes)", &args)
}

impl Authorization {
    /// Calldata of `transferWithAuthorization` in its form for signatures of any length.
    pub fn calldata(&self) -> Result<Vec<u8>, Error> {
        encode(
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
            &[
                Arg::Address(&self.from),
                Arg::Address(&self.to),
                Arg::Word(uint_word(self.value.into())),
                Arg::Uint(self.valid_after.into()),
                Arg::Uint(self.valid_before.into()),
                Arg::Word(self.nonce),
                Arg::Bytes(&self.signature),
            ],
        )
    }
}

fn read_transfer(log: &Value) -> Result<Transfer, Error> {
    let address = |pointer: &str| {
        let word = field(log, pointer)?;
        Ok(format!("0x{}", word.get(26..).unwrap_or_default()))
    };
    Ok(Transfer {
        tx: field(log, "/transactionHash")?,
        block: rpc::quantity("eth_getLogs", &Value::String(field(log, "/blockNumber")?))?,
        from: address("/topics/1")?,
        to: address("/topics/2")?,
        value: rpc::quantity("eth_getLogs", &Value::String(field(log, "/data")?))?,
    })
}

fn field(log: &Value, pointer: &str) -> Result<String, Error> {
    rpc::text("eth_getLogs", log.pointer(pointer).unwrap_or(&Value::Null))
}
