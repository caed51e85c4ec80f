//! Random words from both sides, each at a broker of its own, while both brokers and their Redis are killed: one chain, without a
//! gap; what was told live is what is replayed, and what was acked is there.

use super::clients::{Seen, account, introduce, verified};
use super::nodes::{Pair, frame, plans};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tollwire_asp::Code;
use tollwire_client::asp::SessionClient;

/// Says all of a plan again and again until the kills are over, and takes whatever comes until each word has its answer.
async fn play(client: &mut SessionClient, plan: &[(String, u64)], over: &AtomicBool, seen: &mut Seen) {
    let mut said = seen.acked.len() + seen.refused.len();
    let mut turns = 0..;
    while !over.load(Ordering::Relaxed) {
        let turn: u64 = turns.next().unwrap();
        for (performative, number) in plan {
            client.send(&frame(performative, number + turn)["envelope"]).await.unwrap();
            said += 1;
            tokio::time::sleep(Duration::from_millis(15)).await;
            while seen.acked.len() + seen.refused.len() + 16 < said {
                seen.take(client).await;
            }
        }
    }
    while seen.acked.len() + seen.refused.len() < said {
        seen.take(client).await;
    }
}

async fn kill_everything(pair: &mut Pair, over: &AtomicBool) {
    let pause = || tokio::time::sleep(Duration::from_millis(250));
    pause().await;
    pair.one.broker.crash_and_restart().await;
    pause().await;
    pair.redis.kill9().await.unwrap();
    pause().await;
    pair.redis.restart().await.unwrap();
    pause().await;
    pair.other.broker.crash_and_restart().await;
    over.store(true, Ordering::Relaxed);
}

#[tokio::test]
async fn random_words_are_one_chain_whatever_is_killed() {
    let mut pair = Pair::start().await;
    let alpha = account(&pair.one, "acme", &pair.one.broker.url(""));
    let beta = account(&pair.other, "cloudprime", &pair.other.broker.url(""));
    for plan in plans(3) {
        let session = alpha.begin(&[super::rig::BETA.parse().unwrap()]).await.unwrap();
        let mut a = SessionClient::connect(&alpha, &session, 0).unwrap();
        let mut b = SessionClient::connect(&beta, &session, 0).unwrap();
        let (mut ours, mut theirs) = (Seen::default(), Seen::default());
        introduce(&mut a, &mut b, (&mut ours, &mut theirs)).await;
        let over = AtomicBool::new(false);
        tokio::join!(
            play(&mut a, &plan[0], &over, &mut ours),
            play(&mut b, &plan[1], &over, &mut theirs),
            kill_everything(&mut pair, &over)
        );
        let transcript = verified(&alpha, &session).await;
        assert_eq!(verified(&beta, &session).await, transcript, "the same from the other broker");
        let all: BTreeMap<u64, &serde_json::Value> = (1..).zip(&transcript.messages).collect();
        for (client, seen) in [(&mut a, &mut ours), (&mut b, &mut theirs)] {
            while seen.numbers().len() < all.len() {
                seen.take(client).await;
            }
            assert_eq!(seen.numbers(), all.keys().copied().collect::<Vec<_>>(), "each once, without a gap");
            for (number, message) in &seen.messages {
                assert_eq!(message.value(), all[number], "what was told is what is kept");
            }
            for code in seen.refused.values() {
                let known = [Code::InvalidStateTransition, Code::ForbiddenPerformative];
                assert!(code.is_some_and(|code| known.contains(&code)), "{code:?}");
            }
            assert!(seen.connections > 1, "{}", seen.connections);
        }
    }
}
