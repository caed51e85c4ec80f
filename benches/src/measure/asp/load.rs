//! What a send costs the broker: alone, beside other sessions, and with others of its session.

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tollwire_asp::{Draft, Hash, MessageId, Millis, Place, Sender, SigningKey, seal};

use super::world::{ALPHA, Socket, World};
use crate::Failure;
use crate::process::cpu_nanos;

/// Sends of one round of a measurement of costs.
pub(super) const SENDS: u64 = 6_400;

/// CPU time of the broker per send, and round trips to Redis, of sockets that each have so many messages in flight: as many are
/// sent, in one write, as were acked.
pub(super) async fn cost(
    world: &World,
    sockets: &mut [Socket],
    in_flight: usize,
    draft: &str,
) -> Result<(u64, u64), Failure> {
    let each = SENDS / u64::try_from(sockets.len())?.max(1);
    let all = each * u64::try_from(sockets.len())?;
    let (trips, before) = (world.scripts().await?, cpu_nanos(world.pid)?);
    try_join_all(sockets.iter_mut().map(|socket| talk(socket, each, in_flight, draft))).await?;
    let spent = cpu_nanos(world.pid)? - before;
    Ok((spent / all.max(1), world.scripts().await? - trips))
}

async fn talk(socket: &mut Socket, all: u64, in_flight: usize, draft: &str) -> Result<(), Failure> {
    let (mut left, mut open) = (usize::try_from(all)?, 0);
    while left > 0 || open > 0 {
        let more = (in_flight - open).min(left);
        if more > 0 {
            socket.say(&vec![draft.to_owned(); more]).await?;
            (left, open) = (left - more, open + more);
        }
        socket.acked().await?;
        open -= 1;
        // Others that have come together with it.
        while open > 0
            && let Some(acked) = socket.acked().now_or_never()
        {
            acked?;
            open -= 1;
        }
    }
    Ok(())
}

/// What a message costs without a broker: nanoseconds to read it, and to make its canonical form, hash and signature. It does
/// nothing else, and so again and again that all of it stays in the processor's caches.
pub(super) fn cryptography(text: &str) -> Result<u64, Failure> {
    let (key, session) = (SigningKey::from_bytes(&[7; 32]), "ase_abc123".parse()?);
    let sender =
        Sender { agent: ALPHA.parse()?, org: "org_acme".into(), trust: "72.5".parse()?, proof: None };
    let mut previous = Hash::GENESIS;
    let pid = std::process::id();
    let before = cpu_nanos(pid)?;
    for sequence in 1..=SENDS {
        let at = Millis(1_772_893_800_000 + sequence);
        let place = Place { session: &session, sequence, id: MessageId::new(at, [7; 10]), at, previous };
        previous = seal(&Draft::read(text)?, &sender, &place, &key).hash;
    }
    Ok((cpu_nanos(pid)? - before) / SENDS)
}
