//! Reloads plugins when their files or their entries change (`[plugins] watch`).
//!
//! The folders are watched, not the files: an editor or a deployment puts another file in the place
//! of the old one. A change only says that it is worth a look; what has changed is decided by the
//! digests of the files and by the entries, so that a notice too many does nothing.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::host::PluginHost;
use crate::config;

/// How long the files must have been left alone: a file that is being copied is not loaded.
const QUIET: Duration = Duration::from_secs(1);
/// How often it is checked that the watched folders are still those at their paths.
const AGAIN: Duration = Duration::from_secs(30);

/// The folders that are watched, and the notice of a change.
struct Watched {
    folders: Vec<(PathBuf, Identity)>,
    changed: Arc<Notify>,
    /// Watches as long as it lives.
    _watcher: RecommendedWatcher,
}

/// Which folder is at a path: device and inode.
type Identity = Option<(u64, u64)>;

impl PluginHost {
    /// Reloads what has changed, again and again. `file` is the operator's file, and `read` reads
    /// its entries. Never ends by itself.
    pub async fn watch(
        self: Arc<Self>,
        file: Option<PathBuf>,
        read: impl Fn() -> Result<Vec<config::Plugin>, String> + Clone + Send + 'static,
    ) {
        let (mut not_watched, mut not_read) = (None, None);
        loop {
            let watched = match Watched::new(&self.loader.dir, file.as_deref()) {
                Ok(watched) => watched,
                Err(reason) => {
                    if not_watched.as_ref() != Some(&reason) {
                        warn!(
                            reason,
                            "plugins cannot be watched; this is tried again every {AGAIN:?}"
                        );
                        not_watched = Some(reason);
                    }
                    sleep(AGAIN).await;
                    continue;
                }
            };
            not_watched = None;
            // What changed before the watch began is found too.
            loop {
                match self.reload_changed(read.clone()).await {
                    // The reload has logged what it did.
                    Ok(_) => not_read = None,
                    Err(error) if not_read.as_ref() != Some(&error) => {
                        warn!(%error, "plugins are not reloaded until that is mended");
                        not_read = Some(error);
                    }
                    Err(_) => {}
                }
                if !watched.next_change().await {
                    info!("a watched folder was replaced; its successor is watched");
                    break;
                }
            }
        }
    }
}

impl Watched {
    fn new(plugins: &Path, file: Option<&Path>) -> Result<Self, String> {
        let changed = Arc::new(Notify::new());
        let config = file.and_then(Path::file_name).map(OsStr::to_owned);
        let told = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&event, config.as_deref())) {
                told.notify_one();
            }
        })
        .map_err(|error| error.to_string())?;
        let of_file = file.map(|file| match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        });
        let mut folders = Vec::new();
        for folder in [Some(plugins.to_owned()), of_file].into_iter().flatten() {
            let identity = identity(&folder);
            watcher
                .watch(&folder, RecursiveMode::NonRecursive)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            folders.push((folder, identity));
        }
        Ok(Self {
            folders,
            changed,
            _watcher: watcher,
        })
    }

    /// Waits for a change that is followed by quiet. Returns false when another folder took the
    /// place of a watched one, of which nothing more is heard.
    async fn next_change(&self) -> bool {
        loop {
            let heard = timeout(AGAIN, self.changed.notified()).await;
            while heard.is_ok() && timeout(QUIET, self.changed.notified()).await.is_ok() {}
            if self
                .folders
                .iter()
                .any(|(folder, before)| identity(folder) != *before)
            {
                return false;
            }
            if heard.is_ok() {
                return true;
            }
        }
    }
}

fn identity(folder: &Path) -> Identity {
    let found = fs::metadata(folder).ok()?;
    Some((found.dev(), found.ino()))
}

/// Whether a change may concern a plugin or the operator's file. Reading them must not, because
/// every look reads them. Names that begin with two dots are the links by which Kubernetes
/// exchanges all files of a folder at once.
fn matters(event: &Event, config: Option<&OsStr>) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.need_rescan()
        || event.paths.iter().any(|path| {
            let name = path.file_name().unwrap_or_default();
            Some(name) == config
                || path.extension().is_some_and(|end| end == "wasm")
                || name.as_encoded_bytes().starts_with(b"..")
        })
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    #[test]
    fn only_what_concerns_a_plugin_or_the_operators_file_is_worth_a_look() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let created = EventKind::Create(CreateKind::File);
        for (path, worth) in [
            ("/etc/wharf/gateway.toml", true),
            ("/etc/wharf/wharf.db-wal", false),
            ("/etc/wharf/..data", true),
            ("/plugins/mine.wasm", true),
            ("/plugins/mine.wasm.part", false),
        ] {
            let config = Some(OsStr::new("gateway.toml"));
            assert_eq!(matters(&event(created, path), config), worth, "{path}");
            let read = event(EventKind::Access(AccessKind::Any), path);
            assert!(!matters(&read, config), "{path}");
        }
    }
}
