//! Backup and restore of the profile of one stopped session as one `.tar.gz` file, without caches.
//!
//! A backup is a login: anyone who has the file can read the account's messages. It is written with
//! mode 0600.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};

use super::{
    ProfileError, failed, hold,
    incoming::Incoming,
    layout::{CACHES, DUMPS, may_hold_login},
};
use crate::{
    browser,
    files::{self, Fresh},
    model::{ClientId, Timestamp},
};

/// The name of the first entry, which distinguishes a backup from other archives.
pub(super) const MANIFEST: &str = "wharf-profile.json";
const FORMAT: u32 = 1;
/// The most files and folders of one profile; a busy one has a few thousand.
pub(super) const ENTRIES: usize = 200_000;
/// The most bytes of one profile, uncompressed; a busy one has some hundred megabytes.
pub(super) const BYTES: u64 = 64 << 30;
/// The most bytes of padding behind the last entry of an archive; `tar` writes up to ten kilobytes.
const REST: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: u32,
    client: ClientId,
    created_at: String,
    version: String,
}

/// The result of a backup or a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The file that was written, or the profile that was made.
    pub path: PathBuf,
    /// The number of files of the profile.
    pub files: u64,
    /// Their size in bytes, uncompressed.
    pub bytes: u64,
}

/// Writes the profile of a stopped session into `file`, which must not exist yet.
///
/// # Errors
/// While the profile is in use, when it holds no login, and when the file cannot be written;
/// nothing is left behind then.
pub fn backup(root: &Path, client: &ClientId, file: &Path) -> Result<Archived, ProfileError> {
    let (profile, _lock) = hold(root, client)?;
    if !may_hold_login(&profile) {
        return Err(ProfileError::NoLogin(profile));
    }
    if fs::symlink_metadata(file).is_ok() {
        return Err(ProfileError::Exists(file.to_owned()));
    }
    let draft = Fresh::beside(file).map_err(failed("make", file))?;
    let mut archive = Builder::new(GzEncoder::new(
        io::BufWriter::new(draft.file()),
        Compression::default(),
    ));
    // Files with holes would become entries that few programs can read.
    archive.sparse(false);
    let mut written = Archived {
        path: file.to_owned(),
        files: 0,
        bytes: 0,
    };
    let packed = manifest(&mut archive, client)
        .map_err(failed("write", draft.path()))
        .and_then(|()| {
            walk(&profile, &mut |relative, path, is_dir| {
                if is_dir {
                    return archive
                        .append_dir(relative, path)
                        .map_err(failed("pack", path));
                }
                let mut source = files::open(path).map_err(failed("read", path))?;
                archive
                    .append_file(relative, &mut source)
                    .map_err(failed("pack", path))?;
                written.files += 1;
                written.bytes += source.metadata().map_or(0, |meta| meta.len());
                Ok(())
            })
        });
    packed?;
    let ended = archive
        .into_inner()
        .and_then(GzEncoder::finish)
        .and_then(|mut out| out.flush());
    ended.map_err(failed("write", draft.path()))?;
    // A file that was created at the target meanwhile is not overwritten.
    draft.place().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ProfileError::Exists(file.to_owned()),
        _ => failed("put in place", file)(error),
    })?;
    Ok(written)
}

fn manifest(archive: &mut Builder<impl Write>, client: &ClientId) -> io::Result<()> {
    let manifest = Manifest {
        format: FORMAT,
        client: client.clone(),
        created_at: Timestamp::now().rfc3339(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let text = serde_json::to_vec(&manifest)?;
    let mut header = Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(Timestamp::now().0 / 1000).unwrap_or(0));
    archive.append_data(&mut header, MANIFEST, text.as_slice())
}

/// Makes the profile of `client` from a backup, which may be of another client.
///
/// # Errors
/// When the profile exists already, and when the file is damaged or not a backup; nothing is left
/// behind then.
pub fn restore(root: &Path, client: &ClientId, file: &Path) -> Result<Archived, ProfileError> {
    let source = files::open(file).map_err(failed("open", file))?;
    let incoming = Incoming::new(root, client)?;
    let mut archive = Archive::new(GzDecoder::new(io::BufReader::new(source)));
    let mut made = Archived {
        path: PathBuf::new(),
        files: 0,
        bytes: 0,
    };
    let damaged = || failed("read the backup", file);
    for (at, entry) in archive.entries().map_err(damaged())?.enumerate() {
        let mut entry = entry.map_err(damaged())?;
        if at > ENTRIES || made.bytes.saturating_add(entry.size()) > BYTES {
            return Err(ProfileError::TooLarge {
                place: file.to_owned(),
                entries: ENTRIES,
                bytes: BYTES,
            });
        }
        let path = entry.path().map_err(damaged())?.into_owned();
        if at == 0 {
            recognise(&path, &mut entry)
                .ok_or_else(|| ProfileError::NotABackup(file.to_owned()))?;
            continue;
        }
        let stays = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
            && path.components().next().is_some();
        match entry.header().entry_type() {
            EntryType::Directory if stays => incoming.folder(&path)?,
            EntryType::Regular if stays => {
                let size = entry.size();
                made.bytes += incoming.file(&path, size, &mut entry)?;
                made.files += 1;
            }
            _ => {
                return Err(ProfileError::Unsafe {
                    place: file.to_owned(),
                    entry: path,
                });
            }
        }
    }
    // Reads to the end, which has the checksum and is missing from a truncated file.
    let mut rest = archive.into_inner().take(REST + 1);
    if io::copy(&mut rest, &mut io::sink()).map_err(damaged())? > REST {
        return Err(damaged()(io::Error::new(
            io::ErrorKind::InvalidData,
            "more follows after its end",
        )));
    }
    if made.files == 0 {
        return Err(ProfileError::NotABackup(file.to_owned()));
    }
    made.path = incoming.finish()?;
    Ok(made)
}

fn recognise(path: &Path, entry: &mut impl Read) -> Option<()> {
    let mut text = String::new();
    let known = path == Path::new(MANIFEST) && entry.take(4096).read_to_string(&mut text).is_ok();
    let manifest: Manifest = known.then(|| serde_json::from_str(&text).ok())??;
    (manifest.format == FORMAT).then_some(())
}

/// Visits the parts of a profile that are worth keeping, parents first, as `(relative, path, is a
/// folder)`.
pub(super) fn walk(
    profile: &Path,
    visit: &mut impl FnMut(&Path, &Path, bool) -> Result<(), ProfileError>,
) -> Result<(), ProfileError> {
    let mut open = vec![PathBuf::new()];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        let place = profile.join(&folder);
        let entries = fs::read_dir(&place).map_err(failed("read", &place))?;
        for entry in entries {
            let entry = entry.map_err(failed("read", &place))?;
            let (relative, path) = (folder.join(entry.file_name()), entry.path());
            if is_worthless(&relative) {
                continue;
            }
            seen += 1;
            if seen > ENTRIES {
                return Err(ProfileError::TooLarge {
                    place: profile.to_owned(),
                    entries: ENTRIES,
                    bytes: BYTES,
                });
            }
            let kind = entry.file_type().map_err(failed("look at", &path))?;
            if !kind.is_dir() && !kind.is_file() {
                return Err(ProfileError::Unsafe {
                    place: profile.to_owned(),
                    entry: relative,
                });
            }
            visit(&relative, &path, kind.is_dir())?;
            if kind.is_dir() {
                open.push(relative);
            }
        }
    }
    Ok(())
}

fn is_worthless(relative: &Path) -> bool {
    CACHES
        .iter()
        .chain(&DUMPS)
        .chain(&browser::MARKS)
        .any(|name| relative == Path::new(name))
}
