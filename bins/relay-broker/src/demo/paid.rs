//! A person's jobs that cost something: paid from a prepaid account, asked for or by themselves.

use super::people::next;
use super::{Story, claim, demo, scene};
use crate::dev::{DevBroker, PRICE};
use crate::failure::Failure;
use tollwire_client::orchestrator::{AutoPay, Config, Event, PersonClient};
use tollwire_client::{Budget, Payer, Wallet};
use tollwire_x402::{Network, Usdc};

/// What is paid into the account, in USDC.
const DEPOSIT: &str = "0.1";

/// How a job was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paid {
    WhenAsked,
    ByItself,
}

/// One job that is approved, one within what the person has allowed, and one beyond that.
pub(super) async fn jobs(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("A person has work done that costs something");
    let price: Usdc = PRICE.parse().map_err(demo)?;
    let config = Config::new(broker.url.as_str(), broker.tokens.person.clone());
    let mut person = PersonClient::open(config).await.map_err(demo)?;
    let mut left = deposit(story, broker, &person).await?;

    let paid = job(story, &mut person, "repeat this").await?;
    claim(paid == Paid::WhenAsked, "nothing is paid without being asked for")?;
    left = charged(story, &person, left, price).await?;

    let auto = AutoPay { enabled: true, per_job: price, per_day: price };
    person.set_auto_pay(auto).await.map_err(demo)?;
    story.tell("person", format!("allows {price} a job and {price} a day without being asked"));
    let paid = job(story, &mut person, "repeat that").await?;
    claim(paid == Paid::ByItself, "what is allowed is paid by itself")?;
    left = charged(story, &person, left, price).await?;
    let (_, spent) = person.auto_pay().await.map_err(demo)?;
    claim(spent == price, "the day's money is counted")?;

    person.say("repeat it all").await.map_err(demo)?;
    story.tell("person", "says \"repeat it all\"");
    loop {
        match next(&mut person).await? {
            Event::Asked { amount, .. } => {
                story.tell("broker", format!("asks for {amount}: the day's {spent} are spent"));
                person.decline().await.map_err(demo)?;
                story.tell("person", "declines");
            }
            Event::Failed { .. } => break,
            Event::Paid { .. } => return Err(demo("more was paid than was allowed")),
            _ => {}
        }
    }
    let balance = person.balance().await.map_err(demo)?;
    claim(balance == Some(left), "what is declined costs nothing")?;
    story.tell("person", format!("has {left} left: two jobs for {price} each, to the last unit"));
    person.close().await.map_err(demo)
}

/// Money for the account; how much.
async fn deposit(story: &Story, broker: &DevBroker, person: &PersonClient) -> Result<Usdc, Failure> {
    let amount: Usdc = DEPOSIT.parse().map_err(demo)?;
    let config = tollwire_client::Config::new([Network::BASE_SEPOLIA]);
    let payer = Payer::new(Wallet::random().map_err(demo)?, Budget::new(amount, amount), config);
    let url = broker.url.join("/feeds/prepaid/session").map_err(demo)?;
    let account = payer.map_err(demo)?.buy(url.as_str()).await.map_err(demo)?;
    let transaction = account.transaction.clone().unwrap_or_default();
    story.tell(
        "person",
        format!("pays {} into a prepaid account, in {}", account.paid, super::short(&transaction)),
    );
    let left = person.pay_from(account.token()).await.map_err(demo)?;
    claim(left == Some(amount), "all of it is in the account")?;
    Ok(amount)
}

/// Has one job done; how it was paid for.
async fn job(story: &Story, person: &mut PersonClient, what: &str) -> Result<Paid, Failure> {
    person.say(what).await.map_err(demo)?;
    story.tell("person", format!("says {what:?}"));
    let (mut how, mut told) = (Paid::ByItself, false);
    loop {
        match next(person).await? {
            Event::Asked { amount, agent_name, action, .. } => {
                how = Paid::WhenAsked;
                story.tell("broker", format!("asks: {agent_name} wants {amount} to {action}"));
                person.approve(None).await.map_err(demo)?;
                story.tell("person", "approves");
            }
            Event::Paid { amount, transaction, source } => {
                claim(source.as_deref() == Some("balance"), "the account pays")?;
                told = true;
                let from = super::short(&transaction);
                story.tell("broker", format!("holds {amount} of the account that {from} paid into"));
            }
            Event::Said { content, agent_name, .. } => {
                claim(told && content.contains(what), "it is done once it is paid for")?;
                story.tell("broker", format!("has had {agent_name} do it, and takes what it held"));
                return Ok(how);
            }
            Event::Failed { message, .. } => return Err(demo(message)),
            _ => {}
        }
    }
}

/// What is left after one more job.
async fn charged(story: &Story, person: &PersonClient, before: Usdc, price: Usdc) -> Result<Usdc, Failure> {
    let after = before.checked_sub(price).ok_or_else(|| demo("an account that does not suffice"))?;
    claim(person.balance().await.map_err(demo)? == Some(after), "each job costs its price, once")?;
    story.tell("person", format!("has {after} left"));
    Ok(after)
}
