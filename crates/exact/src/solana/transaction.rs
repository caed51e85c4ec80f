//! A message and the signatures under it, as it travels.

use super::reader::{Reader, write_length};
use super::{Address, Error, Message, PrivateKey, Signature, TRANSACTION_BYTES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The longest base64 text of a transaction.
const CHARS_MAX: usize = TRANSACTION_BYTES_MAX.div_ceil(3) * 4;

/// The signature of somebody who has not signed yet.
const UNSIGNED: Signature = Signature::new([0; 64]);

/// A transaction, signed or not. One place for a signature per signer, in the order of the message's accounts.
#[derive(Clone, PartialEq, Eq)]
pub struct Transaction {
    signatures: Vec<Signature>,
    bytes: Vec<u8>,
    message: Message,
}

impl Transaction {
    /// A message that nobody has signed yet.
    pub fn unsigned(message_bytes: Vec<u8>) -> Result<Self, Error> {
        let message = Message::parse(&message_bytes).ok_or(Error::Transaction)?;
        let transaction = Self { signatures: vec![UNSIGNED; message.signers], bytes: message_bytes, message };
        if transaction.to_bytes().len() > TRANSACTION_BYTES_MAX {
            return Err(Error::Transaction);
        }
        Ok(transaction)
    }

    /// Reads what [`Transaction::to_base64`] writes.
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        if text.len() > CHARS_MAX {
            return Err(Error::Transaction);
        }
        Self::from_bytes(&STANDARD.decode(text).map_err(|_| Error::Transaction)?)
    }

    /// Reads a transaction that fills `bytes` exactly.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes).ok_or(Error::Transaction)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return None;
        }
        let mut reader = Reader::new(bytes);
        let count = reader.length()?;
        let signatures =
            (0..count).map(|_| reader.array().map(Signature::new)).collect::<Option<Vec<_>>>()?;
        let message = Message::parse(reader.rest())?;
        (signatures.len() == message.signers).then(|| Self {
            signatures,
            bytes: reader.rest().to_vec(),
            message,
        })
    }

    /// As the network carries it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TRANSACTION_BYTES_MAX);
        // There are never more signatures than a message has accounts.
        let _fits = write_length(&mut bytes, self.signatures.len());
        for signature in &self.signatures {
            bytes.extend(signature.as_bytes());
        }
        bytes.extend(&self.bytes);
        bytes
    }

    /// The same in base64, as a payload carries it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }

    /// What it says.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// SHA-256 of the message: the payment's identity. Signatures do not count, as ours is still missing.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// The first signature, the transaction's name on the chain; all zeros as long as the fee payer has not signed.
    pub fn signature(&self) -> Signature {
        self.signatures.first().copied().unwrap_or(UNSIGNED)
    }

    /// Puts a signer's signature in its place. Ed25519 is deterministic: the same key makes the same again.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<Signature, Error> {
        let address = key.address();
        let signers = self.message.accounts.iter().take(self.message.signers);
        let place = signers.zip(&mut self.signatures).find(|(account, _)| **account == address);
        let (_, place) = place.ok_or(Error::Mismatch)?;
        *place = key.sign_message(&self.bytes);
        Ok(*place)
    }

    /// Whether every signer but the fee payer has signed.
    pub fn verify_all_but_first(&self) -> Result<(), Error> {
        let mut signed = self.message.accounts.iter().zip(&self.signatures).skip(1);
        signed.try_for_each(|(account, signature)| self.verify_one(account, signature))
    }

    /// Whether everybody has signed.
    pub fn verify(&self) -> Result<(), Error> {
        let first = self.message.accounts.first().ok_or(Error::Transaction)?;
        self.verify_one(first, &self.signature())?;
        self.verify_all_but_first()
    }

    fn verify_one(&self, account: &Address, signature: &Signature) -> Result<(), Error> {
        account.verify_message(&self.bytes, signature)
    }
}

impl std::fmt::Debug for Transaction {
    /// Without signatures: with them, anybody could send it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("signers", &self.message.signers).finish_non_exhaustive()
    }
}
