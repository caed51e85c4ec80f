//! Many hands on two nodes of one store.

use crate::common::{buy, credit, intent, open, record, session, stream};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use tollwire_ledger::{Command, Ledger, Outcome};
use tollwire_ledger_redis::RedisLedger;

/// 64 hands on two nodes open streams of one session: as many are admitted as it has seats.
pub async fn seats_are_taken_once(nodes: [Arc<RedisLedger>; 2]) {
    const SEATS: u64 = 1_000;
    const HANDS: u64 = 64;
    const OPENS: u64 = 40;
    buy(&*nodes[0], 1, SEATS).await;
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let node = Arc::clone(&nodes[usize::try_from(hand % 2).unwrap()]);
        hands.spawn(async move {
            let mut admitted = 0;
            for n in 0..OPENS {
                let id = hand * OPENS + n;
                if open(&*node, 1, id).await {
                    admitted += 1;
                    // Most streams are short; some of them stay.
                    if n % 8 != 0 {
                        let ended =
                            Command::End { session: session(1), stream: stream(id), fence: 1, used: 0 };
                        assert!(matches!(node.apply(ended).await, Ok(Outcome::Done(_))));
                    }
                }
            }
            admitted
        });
    }
    assert_eq!(hands.join_all().await.iter().sum::<u64>(), SEATS);
    let row = nodes[1].session(&session(1)).await.unwrap().unwrap();
    assert_eq!((row.captured, row.held(), row.remaining()), (SEATS, 0, 0));
}

/// One payment opens one session, whichever node takes it.
pub async fn payments_open_one_session(nodes: [Arc<RedisLedger>; 2]) {
    for n in 0..20 {
        let mut hands = JoinSet::new();
        for hand in 0..50 {
            let node = Arc::clone(&nodes[hand % 2]);
            // Every request brings a candidate session of its own.
            let candidate = 1_000 * n + u64::try_from(hand).unwrap();
            hands.spawn(async move {
                let recorded = node.apply(record(n, intent(candidate, 5))).await.unwrap();
                let first = matches!(recorded, Outcome::Done(_));
                let (Outcome::Done(view) | Outcome::Replayed(view)) = recorded else {
                    panic!("{recorded:?}")
                };
                let session = view.payment.unwrap().intent.session;
                let Command::Credit { payment, landing, .. } = credit(n, 0) else { unreachable!() };
                let credited =
                    node.apply(Command::Credit { payment, session: session.clone(), landing }).await.unwrap();
                (session, first, matches!(credited, Outcome::Done(_)))
            });
        }
        let answers = hands.join_all().await;
        assert_eq!(answers.iter().map(|(session, ..)| session).collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(answers.iter().filter(|(_, first, _)| *first).count(), 1);
        assert_eq!(answers.iter().filter(|(.., credited)| *credited).count(), 1);
    }
    assert_eq!(nodes[0].sessions(None, 100).await.unwrap().len(), 20);
    assert_eq!(nodes[0].in_doubt(None, 100).await.unwrap(), []);
}
