//! Our own client: it comes back after whatever happens, tells nothing twice, and leaves nothing out.

use super::rig::{ALPHA, Asp, BETA, commitment, key, proposal};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tollwire_asp::{Code, Envelope, Performative as Say, SessionId, State, Transcript, Verifier};
use tollwire_client::asp::{Account, Config, Event, SessionClient};
use tollwire_client::bridge::Backoff;
use tollwire_testkit::link::FaultLink;

const PATIENCE: Duration = Duration::from_secs(60);

/// Alpha or beta, at an address that leads to the broker.
pub(super) fn account(asp: &Asp, name: &str, base: &str) -> Account {
    let mut config = Config::new(base, format!("oac_{name}"), asp.secret()).unwrap();
    config.public_url = Some(asp.broker.url(""));
    config.backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(400));
    Account::new(config).unwrap()
}

async fn next(client: &mut SessionClient) -> Event {
    tokio::time::timeout(PATIENCE, client.next()).await.expect("nothing came").expect("it has ended")
}

/// What one side was told, and what it is sure to have said.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) messages: BTreeMap<u64, Envelope>,
    pub(super) acked: BTreeMap<String, u64>,
    pub(super) refused: BTreeMap<String, Option<Code>>,
    states: Vec<State>,
    pub(super) connections: usize,
}

impl Seen {
    /// Takes what comes next, which must not be a surprise.
    pub(super) async fn take(&mut self, client: &mut SessionClient) {
        match next(client).await {
            Event::Connected { state, .. } => {
                self.connections += 1;
                // What happened before is not told again: this is where it led to.
                self.states.push(state);
            }
            Event::Message(message) => {
                let last = self.messages.last_key_value().map_or(0, |(number, _)| *number);
                assert!(message.sequence > last, "in order, and once: {} after {last}", message.sequence);
                self.messages.insert(message.sequence, *message);
            }
            Event::Refused { id: Some(id), code, .. } => {
                assert_eq!(self.refused.insert(id, code), None, "one answer");
            }
            Event::Acked { id, sequence } => {
                assert_eq!(self.acked.insert(id, sequence), None, "one answer");
            }
            Event::State { state, .. } => self.states.push(state),
            other => panic!("{other:?}"),
        }
    }

    /// All numbers it knows of, each once; a word whose ack was lost is known twice, by one number.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.messages.keys().chain(self.acked.values()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

async fn said(client: &mut SessionClient, seen: &mut Seen, performative: Say, body: serde_json::Value) {
    let id = client.say(performative, &body).await.unwrap();
    while !seen.acked.contains_key(&id) {
        seen.take(client).await;
    }
}

async fn until(client: &mut SessionClient, seen: &mut Seen, state: State) {
    while seen.states.last() != Some(&state) {
        seen.take(client).await;
    }
}

/// Brings two to CONVERSING, in three messages.
pub(super) async fn introduce(
    a: &mut SessionClient,
    b: &mut SessionClient,
    (ours, theirs): (&mut Seen, &mut Seen),
) {
    said(a, ours, Say::Propose, proposal("inv", "session-invitation")).await;
    until(b, theirs, State::Invited).await;
    said(b, theirs, Say::Accept, json!({"referenceId": "inv"})).await;
    until(a, ours, State::Introduced).await;
    said(a, ours, Say::Inform, json!({})).await;
    until(b, theirs, State::Conversing).await;
}

/// The session as it can be exported; verified to its head.
pub(super) async fn verified(account: &Account, session: &SessionId) -> Transcript {
    let transcript = Transcript::read(&account.transcript(session).await.unwrap()).unwrap();
    let mut verifier = Verifier::new(vec![key()]);
    transcript.messages.iter().for_each(|message| verifier.next(message).unwrap());
    assert!(transcript.head.is_some());
    verifier.finish(transcript.head).unwrap();
    transcript
}

#[tokio::test]
async fn two_negotiate_to_an_end() {
    let asp = Asp::with("store = \"memory:\"", "heartbeat = \"300ms\"\npong_wait = \"100ms\"").await;
    let url = asp.broker.url("");
    let (alpha, beta) = (account(&asp, "acme", &url), account(&asp, "cloudprime", &url));
    let session = alpha.begin(&[BETA.parse().unwrap()]).await.unwrap();
    let mut a = SessionClient::connect(&alpha, &session, 0).unwrap();
    let mut b = SessionClient::connect(&beta, &session, 0).unwrap();
    let (mut ours, mut theirs) = (Seen::default(), Seen::default());
    introduce(&mut a, &mut b, (&mut ours, &mut theirs)).await;
    said(&mut a, &mut ours, Say::Propose, proposal("p", "terms")).await;
    let counter = json!({"referenceId": "p", "counterProposalId": "c", "subject": "s", "terms": {"pricePerHour": 4.00}});
    said(&mut b, &mut theirs, Say::Counter, counter).await;
    // Longer than three heartbeats: who answers stays.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let refused = a.say(Say::Accept, &json!({"referenceId": "nothing"})).await.unwrap();
    loop {
        match next(&mut a).await {
            Event::Refused { id, code, .. } => {
                assert_eq!((id, code), (Some(refused), Some(Code::InvalidStateTransition)));
                break;
            }
            Event::Message(message) => drop(ours.messages.insert(message.sequence, *message)),
            other => panic!("{other:?}"),
        }
    }
    said(&mut a, &mut ours, Say::Commit, commitment("c")).await;
    until(&mut b, &mut theirs, State::Agreeing).await;
    said(&mut b, &mut theirs, Say::Accept, json!({"commitmentId": "c"})).await;
    until(&mut a, &mut ours, State::Executing).await;
    assert_eq!(alpha.view(&session).await.unwrap().state, State::Executing);
    said(&mut b, &mut theirs, Say::Close, json!({})).await;
    until(&mut a, &mut ours, State::Closed).await;
    until(&mut b, &mut theirs, State::Closed).await;
    for client in [&mut a, &mut b] {
        assert_eq!(next(client).await, Event::Ended { code: 1000, why: None });
        assert!(client.next().await.is_none());
    }
    assert_eq!((ours.connections, theirs.connections), (1, 1));
    let all: Vec<u64> = (1..=8).collect();
    assert_eq!((ours.numbers(), theirs.numbers()), (all.clone(), all));
    assert_eq!(verified(&beta, &session).await.messages.len(), 8);
    // Over HTTP nothing can be said any more.
    let refused = alpha.say(&session, Say::Inform, &json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("409") && refused.contains("SESSION_CLOSED"), "{refused}");
}

/// Both say so many things while `harm` is done to them; then each has been told all, once.
async fn nothing_is_lost_or_doubled(
    (alpha, beta): (&Account, &Account),
    count: usize,
    harm: impl Future<Output = ()>,
) {
    let session = alpha.begin(&[BETA.parse().unwrap()]).await.unwrap();
    let mut a = SessionClient::connect(alpha, &session, 0).unwrap();
    let mut b = SessionClient::connect(beta, &session, 0).unwrap();
    let (mut ours, mut theirs) = (Seen::default(), Seen::default());
    introduce(&mut a, &mut b, (&mut ours, &mut theirs)).await;
    let talk = async |client: &mut SessionClient, seen: &mut Seen, name: &str| {
        let before = seen.acked.len();
        for number in 0..count {
            client.say(Say::Inform, &json!({"of": name, "n": number})).await.unwrap();
            tokio::time::sleep(Duration::from_millis(8)).await;
            while seen.acked.len() + 24 < before + number {
                seen.take(client).await;
            }
        }
        while seen.numbers().len() < 3 + 2 * count || seen.acked.len() < before + count {
            seen.take(client).await;
        }
    };
    tokio::join!(talk(&mut a, &mut ours, "alpha"), talk(&mut b, &mut theirs, "beta"), harm);
    let transcript = verified(alpha, &session).await;
    assert_eq!(transcript.messages.len(), 3 + 2 * count, "what was said twice is in the session once");
    for (seen, name) in [(&ours, ALPHA), (&theirs, BETA)] {
        let all: Vec<u64> = (1..=u64::try_from(3 + 2 * count).unwrap()).collect();
        assert_eq!((seen.numbers(), seen.refused.len()), (all, 0));
        let own: Vec<u64> = transcript
            .messages
            .iter()
            .filter(|message| message["sender"]["agentId"] == name)
            .map(|message| message["sequenceNumber"].as_u64().unwrap())
            .collect();
        let mut acked: Vec<u64> = seen.acked.values().copied().collect();
        acked.sort_unstable();
        assert_eq!(acked, own, "each of its words has its answer");
        let said = transcript.messages.iter().filter(|message| message["sender"]["agentId"] == name);
        let said: Vec<u64> =
            said.filter_map(|message| message.pointer("/content/body/n")?.as_u64()).collect();
        assert_eq!(said, (0..u64::try_from(count).unwrap()).collect::<Vec<_>>(), "in its order");
        assert!(seen.connections > 1, "{}", seen.connections);
    }
}

#[tokio::test]
async fn kills_of_the_broker_lose_and_double_nothing() {
    let mut asp = Asp::start().await;
    let url = asp.broker.url("");
    let (alpha, beta) = (account(&asp, "acme", &url), account(&asp, "cloudprime", &url));
    let harm = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            asp.broker.crash_and_restart().await;
        }
    };
    nothing_is_lost_or_doubled((&alpha, &beta), 120, harm).await;
}

#[tokio::test]
async fn cut_sockets_lose_and_double_nothing() {
    let asp = Asp::start().await;
    let link = FaultLink::start(SocketAddr::from((Ipv4Addr::LOCALHOST, asp.broker.port()))).await.unwrap();
    let url = format!("http://{}", link.address());
    let (alpha, beta) = (account(&asp, "acme", &url), account(&asp, "cloudprime", &url));
    let harm = async {
        for turn in 0..10 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            if turn % 2 == 0 { link.cut() } else { link.reset() }
        }
    };
    nothing_is_lost_or_doubled((&alpha, &beta), 150, harm).await;
}

#[tokio::test]
async fn a_connection_outlives_its_access_token() {
    let asp = Asp::with("store = \"memory:\"", "token_ttl = \"6s\"").await;
    let url = asp.broker.url("");
    let (alpha, beta) = (account(&asp, "acme", &url), account(&asp, "cloudprime", &url));
    let session = alpha.begin(&[BETA.parse().unwrap()]).await.unwrap();
    let mut a = SessionClient::connect(&alpha, &session, 0).unwrap();
    let mut b = SessionClient::connect(&beta, &session, 0).unwrap();
    let (mut ours, mut theirs) = (Seen::default(), Seen::default());
    introduce(&mut a, &mut b, (&mut ours, &mut theirs)).await;
    for number in 0..7 {
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        said(&mut a, &mut ours, Say::Inform, json!({"n": number})).await;
    }
    while theirs.numbers().len() < 10 {
        theirs.take(&mut b).await;
    }
    assert_eq!((ours.connections, theirs.connections), (1, 1), "no other connection was needed");
    verified(&alpha, &session).await;
}

#[tokio::test]
async fn who_is_told_to_stay_away_does() {
    let asp = Asp::start().await;
    let url = asp.broker.url("");
    let alpha = account(&asp, "acme", &url);
    let session = alpha.begin(&[BETA.parse().unwrap()]).await.unwrap();
    let ended = async |account: &Account, session: &SessionId, last: u64| {
        let mut client = SessionClient::connect(account, session, last).unwrap();
        let event = next(&mut client).await;
        assert!(client.next().await.is_none());
        assert!(client.say(Say::Inform, &json!({})).await.is_err());
        event
    };
    let gamma = account(&asp, "elsewhere", &url);
    let end = |code, why| Event::Ended { code, why: Some(why) };
    assert_eq!(ended(&gamma, &session, 0).await, end(4003, Code::Forbidden));
    let nobody = "ase_nobody".parse().unwrap();
    assert_eq!(ended(&alpha, &nobody, 0).await, end(4004, Code::SessionNotFound));
    assert_eq!(ended(&alpha, &session, 1).await, end(1008, Code::SequenceAhead));
    let wrong = Account::new(Config::new(&url, "oac_acme", "wrong").unwrap()).unwrap();
    assert_eq!(ended(&wrong, &session, 0).await, Event::Ended { code: 4001, why: None });
    let refused = wrong.begin(&[]).await.unwrap_err().to_string();
    assert!(refused.contains("401") && refused.contains("invalid_client"), "{refused}");
    // Proofs that are made for another URL than the broker's.
    let mut config = Config::new(&url, "oac_acme", asp.secret()).unwrap();
    config.public_url = Some("https://elsewhere.example".to_owned());
    let refused = Account::new(config).unwrap().begin(&[]).await.unwrap_err().to_string();
    assert!(refused.contains("invalid_dpop_proof"), "{refused}");
    assert!(
        Account::new(Config::new("http://broker.example", "a", "b").unwrap()).is_err(),
        "a secret in the clear"
    );
}
