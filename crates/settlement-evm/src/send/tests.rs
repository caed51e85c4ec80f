use super::*;

#[tokio::test(start_paused = true)]
async fn our_own_count_is_believed_for_a_while() {
    let lane = Lane::default();
    assert_eq!(lane.next(), None);
    lane.broadcast(6);
    assert_eq!(lane.next(), Some(7));
    lane.broadcast(4); // an older transaction, sent again
    assert_eq!(lane.next(), Some(7));
    tokio::time::advance(REMEMBER).await;
    assert_eq!(lane.next(), None);
    lane.broadcast(2);
    assert_eq!(lane.next(), Some(3), "the node has lost the others");
    lane.forget();
    assert_eq!(lane.next(), None);
}

#[test]
fn a_replacement_outbids_by_an_eighth_within_the_cap() {
    let fresh = Fees { max: 90, tip: 20 };
    let former = Fees { max: 100, tip: 8 };
    assert_eq!(fresh.above(former, 1_000), Ok(Fees { max: 113, tip: 20 }));
    assert!(matches!(fresh.above(former, 112), Err(ChainError::Refused(_))));
}
