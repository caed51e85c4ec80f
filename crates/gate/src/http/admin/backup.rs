//! `POST /admin/backup` with `{"path": ".."}`: a copy of the ledger's store, written by this node on its own machine.

use crate::error::Error;
use crate::gate::Gate;
use crate::http::answer::{Answer, Problem, json};
use crate::http::body;
use http::StatusCode;
use http_body::Body;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use tollwire_ledger::Error as StoreError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: PathBuf,
}

pub(super) async fn write<B>(gate: &Gate, body: B) -> Result<Answer, Error>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wanted: Wanted = serde_json::from_slice(&body::read(body).await?)
        .map_err(|_| Error::malformed("path", r#"send {"path": "/absolute/path/of/a/new/file"}"#))?;
    if !wanted.path.is_absolute() {
        return Err(Error::malformed("path", "write an absolute path; the node has a folder of its own"));
    }
    let Some(store) = gate.backup.clone() else {
        let why = "the store is no file: Redis has its own backups (BGSAVE, AOF), memory has none";
        return Ok(Problem::new(StatusCode::CONFLICT, "no-file-store", why).into_answer());
    };
    let path = Arc::new(wanted.path);
    let target = Arc::clone(&path);
    let copied = tokio::task::spawn_blocking(move || store.backup(&target)).await;
    match copied.unwrap_or_else(|_| Err(StoreError::Unavailable("the copy was broken off".into()))) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "the store was copied");
            Ok(json(StatusCode::CREATED, &serde_json::json!({ "path": *path })))
        }
        Err(StoreError::Unfit(why)) => {
            Ok(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "backup-refused", &why).into_answer())
        }
        Err(error) => Err(error.into()),
    }
}
