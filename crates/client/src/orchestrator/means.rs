//! What a person pays with: a prepaid account, and what may be paid of it without being asked for.

use super::desk::Desk;
use super::{Error, PersonClient};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use tollwire_x402::Usdc;

/// What may be paid without a request, from the prepaid account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoPay {
    /// Whether anything may.
    pub enabled: bool,
    /// The most for one job.
    pub per_job: Usdc,
    /// The most in one day, by UTC.
    pub per_day: Usdc,
}

#[derive(Deserialize)]
struct Account {
    balance_usdc: Option<String>,
}

#[derive(Deserialize)]
struct Set {
    auto_pay_enabled: bool,
    auto_pay_max_per_job: String,
    auto_pay_max_per_day: String,
    spent_today: String,
}

/// Where they are set.
const ACCOUNT: &str = "/auth/account";
const AUTO_PAY: &str = "/auth/auto-pay";

impl PersonClient {
    /// Pays from this prepaid account from now on: `token` is its session token. What is left in it.
    pub async fn pay_from(&self, token: &str) -> Result<Option<Usdc>, Error> {
        let body = json!({ "token": token });
        let account: Account = self.desk().get(Method::PUT, ACCOUNT, Some(&body)).await?;
        account.balance_usdc.as_deref().map(amount).transpose()
    }

    /// What is left in the prepaid account and not held for a job; `None` without one that serves.
    pub async fn balance(&self) -> Result<Option<Usdc>, Error> {
        let account: Account = self.desk().get(Method::GET, ACCOUNT, None).await?;
        account.balance_usdc.as_deref().map(amount).transpose()
    }

    /// Sets what may be paid without a request.
    pub async fn set_auto_pay(&self, auto: AutoPay) -> Result<(), Error> {
        let body = json!({
            "auto_pay_enabled": auto.enabled,
            "auto_pay_max_per_job": plain(auto.per_job),
            "auto_pay_max_per_day": plain(auto.per_day),
        });
        self.desk().get::<Set>(Method::PATCH, AUTO_PAY, Some(&body)).await.map(drop)
    }

    /// What may be paid without a request, and what was so far today.
    pub async fn auto_pay(&self) -> Result<(AutoPay, Usdc), Error> {
        let set: Set = self.desk().get(Method::GET, AUTO_PAY, None).await?;
        let auto = AutoPay {
            enabled: set.auto_pay_enabled,
            per_job: amount(&set.auto_pay_max_per_job)?,
            per_day: amount(&set.auto_pay_max_per_day)?,
        };
        Ok((auto, amount(&set.spent_today)?))
    }

    const fn desk(&self) -> &Desk {
        &self.desk
    }
}

/// As the broker reads it: `0.05`.
fn plain(amount: Usdc) -> String {
    amount.to_string().trim_start_matches('$').to_owned()
}

fn amount(text: &str) -> Result<Usdc, Error> {
    text.parse().map_err(|_| Error::Refused("the answer has an amount that cannot be read".to_owned()))
}
