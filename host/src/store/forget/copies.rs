//! Retention of database copies from before an upgrade: they contain message texts, so they are
//! deleted when those texts reach their age.

use std::{fs, io, path::Path, sync::Arc, time::SystemTime};

use tracing::warn;

use crate::{
    model::Timestamp,
    store::{Store, StoreError, copies::name},
};

impl Store {
    /// Deletes copies from before an upgrade that were made before `oldest`. Returns whether there
    /// were any.
    ///
    /// # Errors
    /// When the folder cannot be read or a copy cannot be deleted.
    pub async fn forget_copies(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let path = Arc::clone(&self.path);
        let done = tokio::task::spawn_blocking(move || forget(&path, oldest))
            .await
            .map_err(|error| error.to_string());
        let wrong = |error: String| {
            StoreError::Database(format!(
                "copies from before an upgrade cannot be deleted: {error}"
            ))
        };
        done.and_then(|done| done.map_err(|error| error.to_string()))
            .map_err(wrong)
    }
}

fn forget(path: &Path, oldest: Timestamp) -> io::Result<bool> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let prefix = format!("{}.before-", name(path));
    let mut went = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let version = entry
            .file_name()
            .to_string_lossy()
            .strip_prefix(&prefix)
            .map(str::to_owned);
        if !version.is_some_and(|version| {
            version.len() == 4 && version.bytes().all(|byte| byte.is_ascii_digit())
        }) {
            continue;
        }
        let made = entry
            .metadata()?
            .modified()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        if i64::try_from(made).unwrap_or(i64::MAX) < oldest.0 {
            fs::remove_file(entry.path())?;
            warn!(copy = %entry.path().display(), "the copy from before an upgrade is deleted, because the message texts in it are older than [storage] keep_bodies");
            went = true;
        }
    }
    Ok(went)
}
