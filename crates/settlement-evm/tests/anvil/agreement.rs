//! The chain's own words agree with ours.

use crate::support::World;
use tollwire_settlement::Chain;

#[tokio::test]
async fn identity_is_read_without_a_node_and_verification_agrees() {
    let mut world = World::base().await;
    let payload = world.signed(world.authorization()).to_json();
    let requirements = world.requirements();
    let verified = world.chain.verify(&requirements, &payload, crate::support::now()).await.unwrap().unwrap();
    world.anvil.stop().await.unwrap();
    let identified = world.chain.identify(&requirements, &payload).unwrap();
    assert_eq!(identified, verified);
    assert!(identified.signature_checked);
    assert_eq!(identified.payer, world.payer.address().to_string());
}

#[tokio::test]
async fn domain_separators_agree() {
    for chain_id in [8453, 84532] {
        let world = World::start(chain_id).await;
        assert_eq!(world.anvil.domain_separator().await.unwrap(), world.domain().separator());
    }
}
