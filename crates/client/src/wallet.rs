//! The agent's key.

use crate::Error;
use tollwire_exact::evm::{self, Authorization, Domain, Payload};
use tollwire_exact::solana;
use tollwire_x402::Network;

/// A key that pays. Wiped from memory when dropped; `Debug` shows the address alone.
#[derive(Debug, Clone)]
pub struct Wallet(Key);

/// What it signs with.
#[derive(Debug, Clone)]
enum Key {
    Evm(evm::PrivateKey),
    Solana(solana::PrivateKey),
}

impl Wallet {
    /// An EVM account, from 64 hexadecimal digits.
    pub fn evm(private_key: &str) -> Result<Self, Error> {
        Ok(Self(Key::Evm(evm::PrivateKey::from_hex(private_key)?)))
    }

    /// A Solana wallet, from the 64 bytes that wallets export, in base58 or as a JSON array of numbers.
    pub fn solana(private_key: &str) -> Result<Self, Error> {
        Ok(Self(Key::Solana(solana::PrivateKey::from_text(private_key)?)))
    }

    /// An account of either kind: 64 hexadecimal digits are an EVM key, anything else is to be a Solana key.
    pub fn of(private_key: &str) -> Result<Self, Error> {
        let text = private_key.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let hexadecimal = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if hexadecimal || text.starts_with("0x") { Self::evm(text) } else { Self::solana(text) }
    }

    /// A new EVM account with a random key: for demonstrations and tests, as the key cannot be read back.
    pub fn random() -> Result<Self, Error> {
        loop {
            // Practically every 32 bytes are a key; the others are above the curve's order.
            if let Ok(key) = evm::PrivateKey::from_bytes(&random()?) {
                return Ok(Self(Key::Evm(key)));
            }
        }
    }

    /// Its address, as its chain writes it.
    pub fn address(&self) -> String {
        match &self.0 {
            Key::Evm(key) => key.address().to_string(),
            Key::Solana(key) => key.address().to_string(),
        }
    }

    /// Whether it can pay on a network at all.
    pub fn pays_on(&self, network: Network) -> bool {
        match (&self.0, network) {
            (Key::Evm(_), Network::Eip155(_)) | (Key::Solana(_), Network::Solana(_)) => true,
            (Key::Evm(_), Network::Solana(_)) | (Key::Solana(_), Network::Eip155(_)) => false,
        }
    }

    /// Signs a text as wallets of its chain do: under EIP-191, or as it is.
    pub(crate) fn sign_text(&self, text: &str) -> Result<String, Error> {
        match &self.0 {
            Key::Evm(key) => Ok(format!("0x{}", hex::encode(key.sign_message(text.as_bytes())?.as_bytes()))),
            Key::Solana(key) => Ok(key.sign_message(text.as_bytes()).to_string()),
        }
    }

    /// Signs an EIP-3009 authorization made for its own account.
    pub(crate) fn authorize(
        &self,
        domain: &Domain,
        make: impl FnOnce(evm::Address) -> Result<Authorization, Error>,
    ) -> Result<Payload, Error> {
        let Key::Evm(key) = &self.0 else { return Err(Error::NoOffer("the wallet is of another chain")) };
        let authorization = make(key.address())?;
        let signature = authorization.sign(key, domain)?;
        Ok(Payload::new(authorization, &signature))
    }

    /// Signs a transfer out of its own token account.
    pub(crate) fn transfer(
        &self,
        make: impl FnOnce(solana::Address) -> Result<solana::Transaction, Error>,
    ) -> Result<solana::Transaction, Error> {
        let Key::Solana(key) = &self.0 else { return Err(Error::NoOffer("the wallet is of another chain")) };
        let mut transaction = make(key.address())?;
        transaction.sign(key)?;
        Ok(transaction)
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_chain() {
        let evm = Wallet::of(&"07".repeat(32)).unwrap();
        assert!(evm.pays_on(Network::BASE) && evm.address().starts_with("0x"));
        let pair = [[7; 32], *solana::PrivateKey::from_bytes(&[7; 32]).address().as_bytes()].concat();
        let solana = Wallet::of(&serde_json::to_string(&pair).unwrap()).unwrap();
        assert_eq!(solana.address(), "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB");
        assert!(!solana.pays_on(Network::BASE));
        for wrong in ["", "0x07", "7", "[7]"] {
            assert!(Wallet::of(wrong).is_err(), "{wrong}");
        }
    }
}
