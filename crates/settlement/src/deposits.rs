//! The payments that made a session's balance.

use tollwire_ledger::command::EntryKind;
use tollwire_ledger::model::Payment;
use tollwire_ledger::{Error, Ledger};
use tollwire_x402::{PaymentId, SessionId};

/// Those that a session's journal says were credited to it, oldest first, as they stand now: a reorganisation may have
/// taken one back ([`Payment::gone`]).
pub(crate) async fn deposits(
    ledger: &dyn Ledger,
    session: &SessionId,
) -> Result<Vec<(PaymentId, Payment)>, Error> {
    let mut found = Vec::new();
    for line in ledger.journal(session).await? {
        let Some(id) = line.payment.filter(|_| line.kind == EntryKind::Credit) else { continue };
        if let Some(payment) = ledger.payment(&id).await? {
            found.push((id, payment));
        }
    }
    Ok(found)
}
