//! Data that all calls of a session share: brought to this machine once, whatever the number of
//! sessions, and kept by digest for as long as the worker lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::digest::Digest;
use gristmill_model::payload::{Artifact, Place};
use gristmill_model::pipeline::SessionSpec;

use crate::workshop::Workshop;

/// Brings a session's data; what is absent is left out.
///
/// # Errors
/// A failure that names the data that could not be had.
pub(super) async fn bring(
    shop: &Workshop,
    spec: &SessionSpec,
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut files = BTreeMap::new();
    for (name, artifact) in &spec.data {
        let Some(Artifact { place: Place::Blob(digest), name: file, .. }) = artifact else {
            continue;
        };
        let folder = shop.data_folder.join(digest.to_string());
        let path = folder.join(crate::folder::plain_name(file));
        // One at a time: two sessions that open together must not both bring it.
        let _turn = shop.bringing.lock().await;
        if !path.is_file() {
            fetch(shop, digest, &folder, &path).await.map_err(|why| {
                let message = format!("session {}: data `{name}`: {why}", spec.name);
                Failure::new(FailureKind::Failed, "data_missing", message)
            })?;
        }
        files.insert(name.clone(), path);
    }
    Ok(files)
}

/// Fetches aside and then puts in place, so that what lies there is whole.
async fn fetch(shop: &Workshop, digest: &Digest, folder: &Path, path: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot write {}: {error}", folder.display());
    tokio::fs::create_dir_all(folder).await.map_err(cannot)?;
    let aside = folder.join(".aside");
    shop.blobs.fetch(digest, &aside).await.map_err(|error| error.to_string())?;
    tokio::fs::rename(&aside, path).await.map_err(cannot)
}
