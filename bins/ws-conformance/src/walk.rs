//! The walk, in order. Each part gives what the next ones need; what is not there cannot be looked at.

use crate::cli::Cli;
use crate::purse::Purse;
use crate::report::{Report, line};
use crate::server::Server;
use crate::session::Keys;
use crate::{ending, purchase, talk, tokens, unpaid};

/// What all parts share.
pub(crate) struct Walk {
    pub(crate) server: Server,
    pub(crate) purse: Purse,
    pub(crate) report: Report,
}

/// Whether no rule was broken; an error if the walk could not begin.
pub(crate) async fn walk(cli: &Cli) -> Result<bool, String> {
    let server = Server::new(cli)?;
    let purse = Purse::open(cli)?;
    line(format!("{}, at most {} from {}\n", server.session, cli.max, purse.address()));
    // A server that is not there breaks no rule.
    server.get(&server.session, &[]).await?;
    let mut walk = Walk { server, purse, report: Report::default() };
    Box::pin(rules(&mut walk)).await;
    Ok(walk.report.end(walk.purse.spent()))
}

async fn rules(walk: &mut Walk) {
    let Some(bill) = unpaid::bills(walk).await else { return };
    unpaid::refused_payments(walk, &bill).await;
    let keys = Keys::fetch(walk, &bill).await;
    let Some((session, payment)) = purchase::purchase(walk, &bill, keys.as_ref()).await else { return };
    tokens::tokens(walk, &bill, &session).await;
    let Some(keys) = keys else { return };
    purchase::top_up(walk, &keys, &session).await;
    talk::talk(walk, &keys, &session, &payment).await;
    let by_v1 = purchase::legacy(walk, &bill).await;
    let on_the_spot = purchase::at_the_upgrade(walk, &bill, &session.ws).await;
    ending::ending(walk, &keys, by_v1.or(on_the_spot)).await;
}
