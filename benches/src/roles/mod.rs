//! What this program is when it is not the one that measures.

mod api;
pub(crate) mod bare;
mod echo;
mod load;
mod naive;
mod pump;
mod talk;
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
        "bare" => bare::run(rest).await,
        "api" => api::run(rest).await,
        "echo" => echo::run(rest).await,
        "talk" => talk::run(rest).await,
        other => Err(format!("no role {other}").into()),
    }
}
