//! What this program is when it is not the one that measures.

mod load;
mod naive;
mod pump;
mod upstream;

use crate::Failure;

/// Runs the role that `arguments` begin with.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Failure> {
    let (role, rest) = arguments.split_first().ok_or("which role?")?;
    match role.as_str() {
        "upstream" => upstream::run(rest).await,
        "load" => load::run(rest).await,
        "naive" => naive::run(rest).await,
        "pump" => pump::run(rest).await,
        other => Err(format!("no role {other}").into()),
    }
}
