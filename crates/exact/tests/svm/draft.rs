//! A payment that a test can bend anywhere before it is signed.

use serde_json::{Value, json};
use tollwire_exact::solana::{Address, Limits, PrivateKey, Transaction, program};
use tollwire_x402::v2::PaymentRequirements;

pub(crate) const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
pub(crate) const AMOUNT: u64 = 10_000;

pub(crate) fn payer() -> PrivateKey {
    PrivateKey::from_bytes(&[7; 32])
}

pub(crate) fn fee_payer() -> PrivateKey {
    PrivateKey::from_bytes(&[8; 32])
}

pub(crate) fn payee() -> Address {
    PrivateKey::from_bytes(&[9; 32]).address()
}

pub(crate) fn mint() -> Address {
    MINT.parse().unwrap()
}

pub(crate) fn account_of(owner: &Address) -> Address {
    program::associated_token(owner, &program::TOKEN, &mint()).unwrap()
}

pub(crate) fn limits() -> Limits {
    Limits {
        fee_payer: fee_payer().address(),
        own: vec![fee_payer().address(), PrivateKey::from_bytes(&[6; 32]).address()],
        signatures_max: 2,
        units_max: 200_000,
        price_max: 5_000_000,
        fee_max: 50_000,
    }
}

pub(crate) fn offer() -> PaymentRequirements {
    serde_json::from_value(json!({
        "scheme": "exact", "network": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "amount": AMOUNT.to_string(),
        "asset": MINT, "payTo": payee().to_string(), "maxTimeoutSeconds": 60,
        "extra": {"feePayer": fee_payer().address().to_string()},
    }))
    .unwrap()
}

/// A message in the making: program by name, accounts by name.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: Option<u8>,
    pub(crate) signers: u8,
    pub(crate) readonly_signers: u8,
    pub(crate) accounts: Vec<Address>,
    pub(crate) calls: Vec<(Address, Vec<Address>, Vec<u8>)>,
    pub(crate) lookups: Vec<u8>,
    pub(crate) keys: Vec<PrivateKey>,
}

impl Draft {
    /// In order.
    pub(crate) fn good() -> Self {
        let authority = payer().address();
        let mut transfer = vec![12];
        transfer.extend(AMOUNT.to_le_bytes());
        transfer.push(6);
        let accounts = vec![account_of(&authority), mint(), account_of(&payee()), authority];
        Self {
            version: Some(0),
            signers: 2,
            readonly_signers: 1,
            accounts: vec![fee_payer().address(), authority],
            calls: vec![
                (program::COMPUTE_BUDGET, vec![], limit(20_000)),
                (program::COMPUTE_BUDGET, vec![], price(1)),
                (program::TOKEN, accounts, transfer),
                (program::MEMO, vec![], b"a memo".to_vec()),
            ],
            lookups: vec![0],
            keys: vec![payer()],
        }
    }

    /// The message; accounts not listed yet are added as they come.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut accounts = self.accounts.clone();
        let mut at = |address: &Address| -> u8 {
            let found = accounts.iter().position(|known| known == address).unwrap_or_else(|| {
                accounts.push(*address);
                accounts.len() - 1
            });
            u8::try_from(found).unwrap()
        };
        let calls: Vec<(u8, Vec<u8>, &Vec<u8>)> = self
            .calls
            .iter()
            .map(|(program, accounts, data)| {
                let accounts = accounts.iter().map(&mut at).collect();
                (at(program), accounts, data)
            })
            .collect();
        let mut bytes: Vec<u8> = self.version.iter().map(|version| 0x80 | version).collect();
        bytes.extend([self.signers, self.readonly_signers, 0]);
        bytes.push(u8::try_from(accounts.len()).unwrap());
        for account in &accounts {
            bytes.extend(account.as_bytes());
        }
        bytes.extend([5; 32]);
        bytes.push(u8::try_from(calls.len()).unwrap());
        for (program, accounts, data) in calls {
            bytes.push(program);
            bytes.push(u8::try_from(accounts.len()).unwrap());
            bytes.extend(accounts);
            bytes.push(u8::try_from(data.len()).unwrap());
            bytes.extend(data);
        }
        if self.version.is_some() {
            bytes.extend(&self.lookups);
        }
        bytes
    }

    /// Signed by `keys` and nobody else.
    pub(crate) fn payload(&self) -> Value {
        let mut transaction = Transaction::unsigned(self.message()).unwrap();
        for key in &self.keys {
            transaction.sign(key).unwrap();
        }
        json!({ "transaction": transaction.to_base64() })
    }
}

pub(crate) fn limit(units: u32) -> Vec<u8> {
    [vec![2], units.to_le_bytes().to_vec()].concat()
}

pub(crate) fn price(micro_lamports: u64) -> Vec<u8> {
    [vec![3], micro_lamports.to_le_bytes().to_vec()].concat()
}
