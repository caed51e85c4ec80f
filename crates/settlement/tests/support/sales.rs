//! Sessions that were paid for and used, without signatures: the payment is the ledger's word, its money the chain's.

use super::{Scene, usdc};
use std::collections::BTreeMap;
use std::time::Duration;
use tollwire_ledger::model::{Intent, Landing};
use tollwire_ledger::{Command, Outcome};
use tollwire_settlement::books::{Account, TrialBalance, trial_balance};
use tollwire_settlement::dev::{DevChain, NETWORK};
use tollwire_settlement::{Chain as _, PayoutTerms};
use tollwire_x402::{PaymentId, SessionId, Unit};

/// What settling one of these payments cost.
pub const GAS: u64 = 7_000;

pub fn session_id(n: u64) -> SessionId {
    format!("00000000-0000-4000-8000-{n:012x}").parse().unwrap()
}

pub fn payment_id(n: u64) -> PaymentId {
    format!("eip155:84532/0xusdc/0xpayer/{n:016x}").parse().unwrap()
}

/// A purchase of so many units for so much.
pub fn purchase(n: u64, units: u64, amount: u64, provider: Option<&str>) -> Intent {
    Intent {
        session: session_id(n),
        feed: "ticks".parse().unwrap(),
        unit: Unit::Message,
        units,
        amount: usdc(amount),
        tariff: 1,
        network: NETWORK,
        chain: "dev".into(),
        asset: "0xusdc".into(),
        payer: format!("0x{n:040x}"),
        pay_to: "0xwallet".into(),
        quote: None,
        claim: None,
        valid_before: 2_000_000_000,
        payload: "{}".into(),
        balance_ttl_ms: 1_000_000_000,
        plain: false,
        top_up: false,
        jkt: None,
        provider: provider.map(str::to_owned),
    }
}

/// Money arrives in the deposit wallet.
pub fn arrive(chain: &DevChain, amount: u64) {
    let wallet = chain.info().deposit_wallet.clone();
    let held = chain.balance_of(&wallet).atomic();
    chain.set_balance(&wallet, usdc(held + amount));
}

impl Scene {
    /// Payment `n`, landed in block `n`, for session `s`: opens it, or adds to it.
    pub async fn sell(&self, n: u64, s: u64, units: u64, amount: u64, provider: Option<&str>) -> SessionId {
        let session = session_id(s);
        let opened = self.ledger.session(&session).await.unwrap().is_some();
        let intent = Intent { top_up: opened, ..purchase(s, units, amount, provider) };
        let record = Command::Record { payment: payment_id(n), intent: Box::new(intent) };
        assert!(matches!(self.ledger.apply(record).await.unwrap(), Outcome::Done(_)));
        arrive(&self.chain, amount);
        let landing = Landing { tx: format!("0x{n:x}"), block: n, gas: usdc(GAS) };
        let credit = Command::Credit { payment: payment_id(n), session: session.clone(), landing };
        assert!(matches!(self.ledger.apply(credit).await.unwrap(), Outcome::Done(_)));
        session
    }

    /// One stream uses so many units of a session.
    pub async fn consume(&self, session: &SessionId, stream: u64, units: u64) {
        for command in usage(session, stream, units) {
            let outcome = self.ledger.apply(command).await.unwrap();
            assert!(matches!(outcome, Outcome::Done(_) | Outcome::Held { .. }), "{outcome:?}");
        }
    }

    /// The books of the dev chain.
    pub async fn books(&self) -> TrialBalance {
        let books: BTreeMap<_, _> =
            trial_balance(self.ledger.as_ref(), &PayoutTerms::default()).await.unwrap();
        books.get(&NETWORK).cloned().unwrap_or_default()
    }

    /// The same; they must balance, and their custody be what the chain holds.
    pub async fn audit(&self) -> TrialBalance {
        let balance = self.books().await;
        assert!(balance.is_zero(), "{balance:#?}");
        let held = self.chain.balance_of(&self.chain.info().deposit_wallet);
        assert_eq!(balance.balance(Account::Custody), i128::from(held.atomic()), "{balance:#?}");
        balance
    }

    /// What the deposit wallet sent to an account, transfer by transfer.
    pub fn sent_to(&self, account: &str) -> Vec<u64> {
        let wallet = self.chain.info().deposit_wallet.to_ascii_lowercase();
        let account = account.to_ascii_lowercase();
        let transfers = self.chain.transfers().into_iter();
        transfers.filter(|t| t.from == wallet && t.to == account).map(|t| t.amount.atomic()).collect()
    }
}

/// The commands of one stream that uses so many units.
pub fn usage(session: &SessionId, stream: u64, units: u64) -> [Command; 2] {
    let id = format!("stream-{stream:016}").parse().unwrap();
    let lease = Duration::from_secs(10);
    let hold = Command::Hold {
        session: session.clone(),
        stream: id,
        fence: None,
        to: units,
        lease,
        streams_max: 1_000,
    };
    let Command::Hold { stream, .. } = hold.clone() else { unreachable!() };
    [hold, Command::End { session: session.clone(), stream, fence: 1, used: units }]
}
