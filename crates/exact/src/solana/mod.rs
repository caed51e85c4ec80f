//! Solana: wallets and what they sign, and the `exact` scheme's transactions
//! (`specs/schemes/exact/scheme_exact_svm.md` of x402). Ed25519 keys, whose public half in base58 is the address.
//!
//! ```
//! use tollwire_exact::solana::{PrivateKey, Signature};
//!
//! let key = PrivateKey::from_bytes(&[7; 32]);
//! let signature: Signature = key.sign_message(b"a text").to_string().parse()?;
//! key.address().verify_message(b"a text", &signature)?;
//! # Ok::<(), tollwire_exact::solana::Error>(())
//! ```
//!
//! A payment is a transaction that its payer has signed and whose fee payer has not:
//!
//! ```
//! use tollwire_exact::solana::{PrivateKey, Transaction, Transfer};
//!
//! let (payer, fee_payer) = (PrivateKey::from_bytes(&[7; 32]), PrivateKey::from_bytes(&[8; 32]));
//! let (payee, mint) = ("J2xccRtuG43drESLYznHhLhQkLTdfepcKYbiQ9BsJVaf".parse()?, "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU".parse()?);
//! let transfer = Transfer::usdc(fee_payer.address(), payer.address(), payee, mint, 10_000);
//! let mut payment = transfer.transaction()?;
//! payment.sign(&payer)?;
//! let received = Transaction::from_base64(&payment.to_base64())?;
//! received.verify_all_but_first()?;
//! # Ok::<(), tollwire_exact::solana::Error>(())
//! ```

pub mod program;

mod address;
mod check;
mod compile;
mod error;
mod key;
mod message;
mod payment;
mod reader;
mod signature;
mod transaction;

pub use address::Address;
pub use check::{Checked, LAMPORTS_PER_SIGNATURE, Limits, Said, check};
pub use error::{Error, Refusal};
pub use key::PrivateKey;
pub use message::{Instruction, Message, TRANSACTION_BYTES_MAX};
pub use payment::{MEMO_BYTES_MAX, Transfer};
pub use signature::Signature;
pub use transaction::Transaction;
