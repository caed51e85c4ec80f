//! The threads a binary runs on.

use std::future::Future;

/// Runs a future on a runtime of `threads` workers (`TOKIO_WORKER_THREADS`, else one per core, when not given). An
/// error says that the threads could not be started.
pub fn block_on<F: Future>(threads: Option<usize>, future: F) -> std::io::Result<F::Output> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.max(1));
    }
    Ok(builder.enable_all().build()?.block_on(future))
}
