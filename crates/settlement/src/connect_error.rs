//! Why a chain cannot be settled on: what the chains' crates answer when they connect.

/// A connection that was refused. The text names what to correct and never contains the node's URL, which may
/// hold an access key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The configuration cannot work: correct the named key.
    #[error("{key}: {reason}")]
    Config {
        /// Which key.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The node did not answer: check `rpc_url` and the node.
    #[error("the chain node of {network} does not answer: {reason}")]
    Unreachable {
        /// The network that was wanted.
        network: String,
        /// What happened.
        reason: String,
    },
    /// The node answers, but is not what the configuration says: correct `network` or `rpc_url`.
    #[error("the chain node of {network} is not fit: {reason}")]
    Unfit {
        /// The network that was wanted.
        network: String,
        /// What it lacks.
        reason: String,
    },
}
