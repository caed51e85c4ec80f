//! Two agents of two organisations negotiate; one's socket is cut, and a third party verifies what they said.

use super::link::Link;
use super::{Story, claim, demo, scene};
use crate::asp_tools::{judge, parse, published};
use crate::dev::DevBroker;
use crate::failure::Failure;
use serde_json::{Value, json};
use tollwire_asp::{Performative as Say, SessionId, State};
use tollwire_client::asp::{Account, Event, SessionClient};

/// One of the two.
struct Side<'a> {
    story: &'a Story,
    name: &'static str,
    client: SessionClient,
    /// The numbers of what it was told, in order.
    heard: Vec<u64>,
    connections: usize,
    state: State,
}

impl<'a> Side<'a> {
    fn new(story: &'a Story, name: &'static str, account: &Account, id: &SessionId) -> Result<Self, Failure> {
        let client = SessionClient::connect(account, id, 0).map_err(demo)?;
        Ok(Self { story, name, client, heard: Vec::new(), connections: 0, state: State::Idle })
    }

    async fn next(&mut self) -> Result<Event, Failure> {
        let event = self.client.next().await.ok_or_else(|| demo("a session that is over"))?;
        match &event {
            Event::Connected { state, .. } => {
                (self.state, self.connections) = (*state, self.connections.saturating_add(1));
            }
            Event::Message(message) => self.heard.push(message.sequence),
            Event::State { state, .. } => self.state = *state,
            Event::Refused { message, .. } => return Err(demo(message)),
            Event::Truncated { .. } => return Err(demo("messages that were forgotten")),
            _ => {}
        }
        Ok(event)
    }

    /// Says something, and waits until it is in the session; its number.
    async fn says(&mut self, performative: Say, body: Value, words: &str) -> Result<u64, Failure> {
        let id = self.client.say(performative, &body).await.map_err(demo)?;
        loop {
            if let Event::Acked { id: acked, sequence } = self.next().await?
                && acked == id
            {
                self.story
                    .tell(self.name, format!("{:<8} {words} (message {sequence})", performative.as_str()));
                return Ok(sequence);
            }
        }
    }

    /// Waits until it was told so much.
    async fn hears(&mut self, number: u64) -> Result<(), Failure> {
        while self.heard.last().is_none_or(|last| *last < number) {
            self.next().await?;
        }
        Ok(())
    }

    async fn stands(&mut self, state: State) -> Result<(), Failure> {
        while self.state != state {
            self.next().await?;
        }
        Ok(())
    }
}

/// The negotiation.
pub(super) async fn cut(story: &Story, broker: &DevBroker) -> Result<(), Failure> {
    scene("Two agents negotiate, and one's socket is cut");
    let link = Link::to(broker.address).await?;
    let (buyer, seller) = (&broker.clients.buyer, &broker.clients.seller);
    let alpha = buyer.account(broker.url.as_str(), &broker.url)?;
    let beta = seller.account(&format!("http://{}", link.address()), &broker.url)?;
    let session = alpha.begin(&[seller.uri()?]).await.map_err(demo)?;
    story.tell("alpha", format!("begins {session} with {}", seller.agent));
    let mut a = Side::new(story, "alpha", &alpha, &session)?;
    let mut b = Side::new(story, "beta", &beta, &session)?;
    bargain(&mut a, &mut b, &link).await?;
    agree(&mut a, &mut b).await?;
    audit(story, broker, (&beta, &session)).await
}

/// Up to a price that both can live with.
async fn bargain(a: &mut Side<'_>, b: &mut Side<'_>, link: &Link) -> Result<(), Failure> {
    let invitation =
        json!({"proposalId": "inv", "type": "session-invitation", "subject": "GPUs", "terms": {}});
    let number = a.says(Say::Propose, invitation, "invites beta").await?;
    b.hears(number).await?;
    let number = b.says(Say::Accept, json!({"referenceId": "inv"}), "accepts the invitation").await?;
    a.hears(number).await?;
    let proposal = json!({
        "proposalId": "prop_001", "type": "terms", "subject": "GPU compute procurement",
        "terms": {"gpuType": "A100", "quantity": 4, "pricePerHour": 3.50}
    });
    let number = a.says(Say::Propose, proposal, "4 x A100 for 3.50 an hour").await?;
    b.hears(number).await?;
    b.story.tell("network", "cuts beta's socket");
    link.cut();
    a.says(Say::Inform, json!({"budget": "approved"}), "while beta is away").await?;
    a.says(Say::Inform, json!({"deadline": "today"}), "while beta is away").await?;
    let last = a.says(Say::Query, question(), "while beta is away").await?;
    let seen = b.heard.len();
    b.hears(last).await?;
    claim(b.connections == 2, "beta has come back once")?;
    let replayed = b.heard.get(seen..).unwrap_or_default();
    claim(replayed == [4, 5, 6], "beta is told exactly what it has missed")?;
    b.story.tell(
        "beta",
        "is back with a fresh proof, and is told messages 4, 5 and 6: none is missing, none comes twice",
    );
    let counter = json!({
        "referenceId": "prop_001", "rejectionReason": "Price below minimum threshold", "counterProposalId": "prop_002",
        "subject": "Revised GPU compute terms", "terms": {"gpuType": "A100", "quantity": 4, "pricePerHour": 4.00}, "final": false
    });
    let number = b.says(Say::Counter, counter, "4.00 an hour").await?;
    a.hears(number).await
}

/// To a commitment, and to its end.
async fn agree(a: &mut Side<'_>, b: &mut Side<'_>) -> Result<(), Failure> {
    let commitment = json!({
        "commitmentId": "c_001", "terms": {"obligations": ["4 x A100 for 4.00 an hour"], "penalties": {}},
        "deadline": "2099-01-01T00:00:00Z",
        "escrow": {"amount": "4", "currency": "USDC", "releaseCondition": "delivery"}
    });
    a.says(Say::Commit, commitment, "binds itself to that").await?;
    b.stands(State::Agreeing).await?;
    b.says(Say::Accept, json!({"commitmentId": "c_001"}), "binds itself, too").await?;
    a.stands(State::Executing).await?;
    a.story.tell("broker", "the session is EXECUTING");
    a.says(Say::Close, json!({}), "all is delivered").await?;
    b.stands(State::Closed).await?;
    a.story.tell("broker", "the session is CLOSED");
    Ok(())
}

/// What anybody can find out afterwards, without the broker.
async fn audit(
    story: &Story,
    broker: &DevBroker,
    (account, session): (&Account, &SessionId),
) -> Result<(), Failure> {
    let text = account.transcript(session).await.map_err(demo)?;
    let keys = published(&broker.url.join("/.well-known/asp-keys.json").map_err(demo)?).await?;
    let report = judge(&parse(&text)?, keys.clone())?;
    claim(report.head.sequence == 10 && report.state == State::Closed, "all ten messages are there")?;
    let head = report.head.hash.to_string();
    let head = head.get(..16).unwrap_or_default();
    story.tell(
        "auditor",
        format!("has the transcript alone: 10 messages verified, CLOSED then, head {head}.."),
    );
    let forged = text.replace(r#""pricePerHour":4,"#, r#""pricePerHour":9,"#);
    claim(forged != text, "the price stands in the transcript")?;
    let refused = judge(&parse(&forged)?, keys).err().map(|failure| failure.to_string());
    let refused = refused.ok_or_else(|| demo("a forged transcript was verified"))?;
    claim(refused.contains("message 7"), "the forged message is named")?;
    story.tell("auditor", format!("has another one, with a price of 9: {refused}"));
    Ok(())
}

fn question() -> Value {
    json!({"queryId": "q_001", "queryType": "availability", "subject": "when?", "parameters": {}})
}
