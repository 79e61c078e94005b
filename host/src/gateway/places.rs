//! Checks, before anything is opened, that only the gateway's user can read and change what the
//! gateway stores.
//!
//! The plugin host checks the cache of compiled plugins, and a profile is checked again before a
//! browser starts on it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::{
    files::{self, Exposed, Remark, Wanted},
    session,
};

/// Names that occur in a folder that is used only as a session path.
const OURS: [&str; 6] = [
    ".quarantine",
    ".wwebjs_auth",
    ".wwebjs_cache",
    "cache",
    "gateway.lock",
    "lost+found",
];

/// What a profile is called in messages.
const PROFILE: &str = "profile";

/// A file or folder of the gateway, which need not exist, and what is required of it.
#[derive(Debug)]
pub(super) struct Place {
    wanted: Wanted,
    /// What it is to the gateway.
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
}

impl Place {
    fn new(wanted: Wanted, what: &'static str, path: PathBuf) -> Self {
        Self { wanted, what, path }
    }

    fn keep(&self) -> Result<(), Exposed> {
        files::keep(self.wanted, self.what, &self.path)
    }
}

/// Checks the session path, as far as it exists, and the database. Permissions of other users are
/// removed.
///
/// # Errors
/// The first file or folder that another user could read or replace and that cannot be made
/// private.
pub(super) fn check(root: &Path, database: &Path) -> Result<(), Exposed> {
    of_root(root, database).iter().try_for_each(Place::keep)?;
    for profile in profiles(root) {
        // Stops its session, not the gateway.
        if let Err(exposed) = profile.keep() {
            warn!("{exposed}");
        }
    }
    of_database(root, database).iter().try_for_each(Place::keep)
}

/// Finds out what [`check`] would do, without changing anything: each place that is not as it
/// should be.
pub(super) fn look(root: &Path, database: &Path) -> Vec<(Place, Result<Remark, Exposed>)> {
    let places = [
        of_root(root, database),
        profiles(root),
        of_database(root, database),
    ];
    places
        .into_iter()
        .flatten()
        .filter_map(|place| {
            let seen = files::look(place.wanted, place.what, &place.path).transpose()?;
            Some((place, seen))
        })
        .collect()
}

/// The session path and what is in it, without the profiles.
fn of_root(root: &Path, database: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    if root.exists() {
        let place = if is_ours_alone(root, &database_names(database)) {
            folder_of_ours("session path", root.to_owned())
        } else {
            Place::new(Wanted::Place, "session path", root.to_owned())
        };
        places.push(place);
    }
    for (what, name) in [
        ("cache", "cache"),
        ("folder of logins set aside", ".quarantine"),
        ("folder of logins", ".wwebjs_auth"),
    ] {
        places.push(folder_of_ours(what, root.join(name)));
    }
    let lock = root.join("gateway.lock");
    places.push(Place::new(Wanted::File, "lock of the session path", lock));
    places
}

fn profiles(root: &Path) -> Vec<Place> {
    session::profile_folders(root)
        .into_iter()
        .map(|path| Place::new(Wanted::Folder, PROFILE, path))
        .collect()
}

/// The database, its folder, and the files that belong to it.
fn of_database(root: &Path, database: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    // The database itself may be a link to a volume. The files that belong to it are beside the
    // link's target.
    let real = database
        .canonicalize()
        .unwrap_or_else(|_| database.to_owned());
    let folder = real
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if folder.exists() && fs::canonicalize(root).ok() != fs::canonicalize(folder).ok() {
        let folder = folder.to_owned();
        places.push(Place::new(Wanted::Place, "folder of the database", folder));
    }
    places.push(Place::new(Wanted::File, "database", real.clone()));
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default();
        if path != real && database_names(&real).belongs(name) {
            places.push(Place::new(Wanted::File, "file beside the database", path));
        }
    }
    places
}

/// The name of the database, which the names of its files begin with. SQLite and the gateway add
/// `-wal`, `-shm`, `-journal`, `.lock` and `.before-<version>`.
struct Names(String);

impl Names {
    fn belongs(&self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let more = name.strip_prefix(&self.0);
        more.is_some_and(|more| {
            matches!(more, "" | "-wal" | "-shm" | "-journal" | ".lock")
                || more.starts_with(".before-")
        })
    }
}

fn database_names(database: &Path) -> Names {
    Names(
        database
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    )
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// A folder that is made private. A folder in which others may create files but not replace ours
/// (sticky), such as a tmpfs that was mounted without a mode, only causes a warning: each login in
/// it is checked by itself.
fn folder_of_ours(what: &'static str, path: PathBuf) -> Place {
    let is_shared = fs::metadata(&path).is_ok_and(|meta| meta.mode() & 0o1000 != 0);
    let wanted = if is_shared {
        Wanted::Place
    } else {
        Wanted::Folder
    };
    Place::new(wanted, what, path)
}

/// Whether a folder contains nothing but the gateway's files. Any other folder, the root of a
/// project for example, must stay readable for other users.
fn is_ours_alone(root: &Path, database: &Names) -> bool {
    let ours = |name: &OsStr| OURS.iter().any(|known| name == *known) || database.belongs(name);
    entries(root)
        .iter()
        .all(|path| path.file_name().is_some_and(ours))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    fn open_up(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("opened");
    }

    #[test]
    fn everything_that_is_ours_and_stood_open_is_closed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let root = dir.path();
        let database = root.join("wharf.db");
        let folders = [
            "",
            ".wwebjs_auth",
            ".wwebjs_auth/session-a",
            ".quarantine",
            ".quarantine/session-b-1",
            "cache",
        ];
        let texts = [
            "wharf.db",
            "wharf.db-wal",
            "wharf.db-shm",
            "wharf.db.lock",
            "wharf.db.before-0009",
            "gateway.lock",
        ];
        for folder in folders {
            fs::create_dir_all(root.join(folder)).expect("made");
            open_up(&root.join(folder), 0o777);
        }
        for text in texts {
            fs::write(root.join(text), "").expect("written");
            open_up(&root.join(text), 0o666);
        }
        let seen = look(root, &database);
        assert!(
            seen.len() == folders.len() + texts.len()
                && seen
                    .iter()
                    .all(|(_, seen)| matches!(seen, Ok(Remark::Close))),
            "{seen:?}"
        );
        for (path, open) in folders
            .map(|path| (path, 0o777))
            .into_iter()
            .chain(texts.map(|path| (path, 0o666)))
        {
            assert_eq!(
                mode(&root.join(path)),
                open,
                "a look changes nothing: {path}"
            );
        }
        check(root, &database).expect("mended");
        assert!(look(root, &database).is_empty(), "nothing is left to do");
        for folder in folders {
            assert_eq!(mode(&root.join(folder)), 0o700, "{folder}");
        }
        for text in texts {
            assert_eq!(mode(&root.join(text)), 0o600, "{text}");
        }
    }

    #[test]
    fn a_folder_with_other_things_in_it_stays_readable_and_is_closed_to_writers() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (root, data) = (dir.path().join("project"), dir.path().join("data"));
        for folder in [&root, &data] {
            fs::create_dir(folder).expect("made");
            open_up(folder, 0o777);
        }
        fs::write(root.join("package.json"), "{}").expect("written");
        open_up(&root.join("package.json"), 0o644);
        check(&root, &data.join("wharf.db")).expect("mended");
        assert_eq!(
            (mode(&root), mode(&data), mode(&root.join("package.json"))),
            (0o755, 0o755, 0o644)
        );
    }

    #[test]
    fn a_mount_that_is_shared_is_used_as_it_is_and_what_is_ours_in_it_is_closed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (logins, login) = (
            dir.path().join(".wwebjs_auth"),
            dir.path().join(".wwebjs_auth/session-a"),
        );
        fs::create_dir_all(&login).expect("made");
        for (path, open) in [(dir.path(), 0o1777), (&logins, 0o1777), (&login, 0o777)] {
            open_up(path, open);
        }
        check(dir.path(), &dir.path().join("wharf.db")).expect("warned of");
        assert_eq!(
            (mode(dir.path()), mode(&logins), mode(&login)),
            (0o777, 0o777, 0o700)
        );
    }

    #[test]
    fn what_is_not_a_file_where_a_file_belongs_is_refused_by_name() {
        for name in ["wharf.db", "wharf.db-wal", "gateway.lock"] {
            let dir = tempfile::tempdir().expect("tempdir");
            mkfifo(&dir.path().join(name), Mode::S_IRWXU).expect("made");
            let seen = look(dir.path(), &dir.path().join("wharf.db"));
            let refused = seen.iter().filter(|(_, seen)| seen.is_err());
            let paths: Vec<&Path> = refused.map(|(place, _)| place.path.as_path()).collect();
            assert_eq!(paths, [dir.path().join(name)]);
            let error = check(dir.path(), &dir.path().join("wharf.db"))
                .expect_err("a pipe")
                .to_string();
            assert!(
                error.contains(name) && error.contains("a named pipe"),
                "{error}"
            );
        }
        let dir = tempfile::tempdir().expect("tempdir");
        symlink("/nowhere-at-all", dir.path().join(".wwebjs_auth")).expect("linked");
        assert!(
            check(dir.path(), &dir.path().join("wharf.db"))
                .expect_err("a link")
                .to_string()
                .contains(".wwebjs_auth")
        );
    }
}
