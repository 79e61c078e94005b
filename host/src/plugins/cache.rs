//! Compiled code, kept on the disk. wasmtime executes it without a check, so an entry must be one
//! that this gateway wrote: each has an HMAC over the code, the component it was compiled from and
//! the engine it was compiled for. The key of the HMAC is random and lies beside the entries,
//! readable by its owner alone.
//!
//! Somebody who can write to the folder (it was open once, or came from another machine) can put
//! files there, but none with a valid HMAC. Who replaces the key makes all entries invalid, and
//! plugins are compiled again. There is no protection against somebody who can read the key: root,
//! or the user that runs the gateway.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tracing::{debug, warn};
use wasmtime::{Engine, component::Component};

use super::compile_cost;
use crate::files::{self, Exposed, Fresh};

const KEY: &str = "key";
/// The extension of an entry: `<component>-<engine>.code`.
const ENTRY: &str = "code";
const TAG: usize = 32;
/// The most bytes of an entry. The largest component that is accepted compiles to less.
const LIMIT: u64 = 1 << 30;
/// Entries that were not used for this long are deleted.
const AGE: Duration = Duration::from_secs(30 * 86_400);
/// Goes into the HMAC, so that it is valid for this purpose alone. Another layout of entries needs
/// another text.
const PURPOSE: &[u8] = b"wharf compiled plugin 1";

/// Why there can be no cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheError {
    #[error(transparent)]
    Exposed(#[from] Exposed),
    #[error("the cache of compiled plugins {path} cannot be made: {error}")]
    Made { path: PathBuf, error: io::Error },
}

#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    /// None when it cannot be stored, or when there is no cache: then no entry is written or read.
    key: Option<[u8; 32]>,
    /// A hash of what compiled code depends on: version and settings of the engine, and the
    /// processor.
    engine: u64,
}

impl Cache {
    /// Opens the folder, and creates it when it is missing. It must be private to this user.
    pub(super) fn open(dir: &Path, engine: &Engine) -> Result<Self, CacheError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| CacheError::Made {
                path: dir.to_owned(),
                error,
            })?;
        files::private_folder("cache of compiled plugins", dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let key = match key(&dir.join(KEY)) {
            Ok(key) => Some(key),
            Err(error) => {
                warn!(path = %dir.display(), %error, "compiled plugins cannot be kept; each start compiles them");
                None
            }
        };
        let cache = Self {
            dir: dir.to_owned(),
            key,
            engine: hasher.finish(),
        };
        cache.tidy();
        Ok(cache)
    }

    /// No cache: every component is compiled, and nothing is read or written.
    pub(super) fn none() -> Self {
        Self {
            dir: PathBuf::new(),
            key: None,
            engine: 0,
        }
    }

    /// The component with this SHA-256: from the cache, or compiled now and stored.
    pub(super) fn component(
        &self,
        engine: &Engine,
        sha256: &str,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        if let Some(found) = self.find(engine, sha256) {
            return Ok(found);
        }
        compile_cost::check(bytes).map_err(wasmtime::Error::msg)?;
        let compiled = Component::from_binary(engine, bytes)?;
        if self.key.is_none() {
            return Ok(compiled);
        }
        if let Err(error) = self.keep(sha256, &compiled.serialize()?) {
            warn!(path = %self.dir.display(), %error, "a compiled plugin cannot be kept; the next start compiles it again");
        }
        Ok(compiled)
    }

    fn entry(&self, sha256: &str) -> PathBuf {
        self.dir
            .join(format!("{sha256}-{:016x}.{ENTRY}", self.engine))
    }

    fn mac(&self, sha256: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref()?).ok()?;
        // Each part in front of the code has a fixed length, so two different entries never give
        // the same bytes.
        for part in [PURPOSE, sha256.as_bytes(), &self.engine.to_be_bytes(), code] {
            mac.update(part);
        }
        Some(mac)
    }

    fn find(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        self.key?;
        let path = self.entry(sha256);
        let content = match files::read(&path, LIMIT) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return self.discard(&path, &error.to_string()),
        };
        let Some((tag, code)) = content.split_at_checked(TAG) else {
            return self.discard(&path, "it is too short");
        };
        if self.mac(sha256, code)?.verify_slice(tag).is_err() {
            return self.discard(
                &path,
                "this gateway has not written it, or it was changed since",
            );
        }
        match deserialize(engine, code) {
            Ok(component) => {
                // Marks it as used. When that fails it is only deleted too early.
                let _ = files::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => self.discard(&path, &format!("{error:#}")),
        }
    }

    fn discard(&self, path: &Path, reason: &str) -> Option<Component> {
        warn!(path = %path.display(), reason, "compiled code in the cache is not used; the plugin is compiled anew");
        if let Err(error) = fs::remove_file(path) {
            warn!(path = %path.display(), %error, "compiled code that is not used cannot be removed");
        }
        None
    }

    fn keep(&self, sha256: &str, code: &[u8]) -> io::Result<()> {
        let Some(mac) = self.mac(sha256, code) else {
            return Ok(());
        };
        let fresh = Fresh::beside(&self.entry(sha256))?;
        fresh.file().write_all(&mac.finalize().into_bytes())?;
        fresh.file().write_all(code)?;
        fresh.replace()
    }

    /// Deletes entries that are no longer used, and files that a crash left half written.
    fn tidy(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = path
                .extension()
                .is_some_and(|extension| extension == ENTRY || extension == "part");
            let old = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > AGE));
            if ours && old {
                debug!(path = %path.display(), "compiled code that nobody has used for a month is deleted");
                // Another gateway may have deleted it already.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The key of the HMAC. A key that others could have read or written is replaced.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    match read_key(path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            warn!(path = %path.display(), %error, "the key of the cache of compiled plugins is made anew; plugins are compiled again")
        }
    }
    let key = rand::random::<[u8; 32]>();
    let fresh = Fresh::beside(path)?;
    fresh.file().write_all(&key)?;
    fresh.replace()?;
    Ok(key)
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    let mut file = files::open(path)?;
    let meta = file.metadata()?;
    if meta.uid() != nix::unistd::geteuid().as_raw()
        || meta.mode() & 0o077 != 0
        || meta.nlink() != 1
    {
        return Err(io::Error::other("others could have read or written it"));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    if file.read(&mut [0])? == 0 {
        Ok(key)
    } else {
        Err(io::Error::other("it is longer than a key"))
    }
}

/// Turns bytes into executable code: the only place that does.
#[expect(
    unsafe_code,
    reason = "wasmtime cannot tell compiled code from any other; the tag just verified can"
)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what `Component::serialize` gave to this gateway: `find` has verified
    // their tag, in memory that nobody else writes to.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// The smallest component.
    const EMPTY: &[u8] = &[0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    fn entries(dir: &Path) -> Vec<PathBuf> {
        let all = fs::read_dir(dir)
            .expect("read")
            .map(|entry| entry.expect("entry").path());
        all.filter(|path| path.extension().is_some_and(|extension| extension == ENTRY))
            .collect()
    }

    /// Compiles it into the folder; the one entry.
    fn kept(dir: &Path, engine: &Engine, sha256: &str) -> PathBuf {
        let cache = Cache::open(dir, engine).expect("opened");
        cache.component(engine, sha256, EMPTY).expect("compiled");
        cache.entry(sha256)
    }

    fn is_found(dir: &Path, engine: &Engine, sha256: &str) -> bool {
        Cache::open(dir, engine)
            .expect("opened")
            .find(engine, sha256)
            .is_some()
    }

    #[test]
    fn code_is_taken_from_the_cache_only_where_the_key_vouches_for_it() {
        let (dir, engine) = (tempfile::tempdir().expect("tempdir"), Engine::default());
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let entry = kept(dir.path(), &engine, &one);
        assert!(is_found(dir.path(), &engine, &one), "as it was written");
        assert_eq!(
            fs::metadata(&entry).expect("there").permissions().mode() & 0o777,
            0o600
        );

        // Another component's code, changed code, a torn file, a link, a key of somebody else.
        let good = fs::read(&entry).expect("read");
        let of_two = entry.with_file_name(
            entry
                .file_name()
                .expect("named")
                .to_string_lossy()
                .replace(&one, &two),
        );
        fs::copy(&entry, &of_two).expect("copied");
        assert!(
            !is_found(dir.path(), &engine, &two) && !of_two.exists(),
            "the code of another component"
        );
        let mut changed = good.clone();
        *changed.last_mut().expect("long") ^= 1;
        for bad in [
            &changed[..],
            &good[..TAG],
            &good[..20],
            &good[..good.len() - 1],
        ] {
            fs::write(&entry, bad).expect("written");
            assert!(
                !is_found(dir.path(), &engine, &one),
                "{} of {} bytes",
                bad.len(),
                good.len()
            );
            assert!(!entry.exists(), "it is thrown away");
        }
        let entry = kept(dir.path(), &engine, &one);
        fs::write(dir.path().join(KEY), [7; 32]).expect("written");
        assert!(
            !is_found(dir.path(), &engine, &one) && !entry.exists(),
            "another key"
        );
    }

    #[test]
    fn a_key_that_others_could_know_is_replaced() {
        let (dir, engine) = (tempfile::tempdir().expect("tempdir"), Engine::default());
        let (sha256, key) = ("1".repeat(64), dir.path().join(KEY));
        let spoil: [&dyn Fn(); 4] = [
            &|| fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("opened"),
            &|| fs::write(&key, [7; 33]).expect("written"),
            &|| {
                fs::rename(&key, dir.path().join("away")).expect("moved");
                symlink(dir.path().join("away"), &key).expect("linked");
            },
            &|| {
                let _ = fs::remove_file(dir.path().join("other"));
                fs::hard_link(&key, dir.path().join("other")).expect("linked");
            },
        ];
        for spoil in spoil {
            kept(dir.path(), &engine, &sha256);
            assert!(is_found(dir.path(), &engine, &sha256));
            spoil();
            assert!(!is_found(dir.path(), &engine, &sha256));
            let meta = fs::symlink_metadata(&key).expect("made anew");
            assert!(
                meta.is_file() && meta.len() == 32 && meta.mode() & 0o077 == 0 && meta.nlink() == 1,
                "{meta:?}"
            );
        }
    }

    #[test]
    fn what_nobody_has_used_for_a_month_goes() {
        let (dir, engine) = (tempfile::tempdir().expect("tempdir"), Engine::default());
        let (old, young) = (
            kept(dir.path(), &engine, &"1".repeat(64)),
            kept(dir.path(), &engine, &"2".repeat(64)),
        );
        files::open(&old)
            .and_then(|file| file.set_modified(SystemTime::now() - AGE - Duration::from_secs(60)))
            .expect("made old");
        Cache::open(dir.path(), &engine).expect("opened");
        assert_eq!(entries(dir.path()), [young]);
    }
}
