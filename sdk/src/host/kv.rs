//! Durable key-value storage, private to the plugin: one namespace per session, or one for all
//! sessions with the operator's `kv_shared`. A key has at most 512 bytes, a value at most 1 MiB.

use std::{fmt, time::Duration};

use super::backend;

/// How often [`update`] tries before it gives up.
const RACES: usize = 16;

/// A value with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Changes on every write; pass it to [`compare_and_set`].
    pub version: u64,
}

/// Why the storage refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operator granted no `kv`.
    NotGranted,
    /// The namespace is full.
    QuotaExceeded,
    /// The key or the value is too large.
    TooLarge,
    /// The value of this key is not one that the plugin writes.
    Corrupt(String),
    /// Other calls kept writing this key.
    Contended(String),
    /// The gateway's storage failed.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => f.write_str(
                "key-value storage is not granted; add `kv = \"1MiB\"` to the plugin's grants",
            ),
            Self::QuotaExceeded => {
                f.write_str("the plugin's key-value storage is full; raise `kv` in its grants")
            }
            Self::TooLarge => f.write_str("a key over 512 bytes or a value over 1 MiB"),
            Self::Corrupt(key) => write!(
                f,
                "the value of key {key:?} is not one this plugin writes; delete the key"
            ),
            Self::Contended(key) => write!(f, "key {key:?} is written by others all the time"),
            Self::Unavailable(why) => write!(f, "key-value storage failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted => Self::NotGranted(error.to_string()),
            Error::Contended(_) | Error::Unavailable(_) => Self::Unavailable(error.to_string()),
            Error::QuotaExceeded | Error::TooLarge | Error::Corrupt(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

/// The value and version of a key; none when it does not exist or has expired.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Entry>, Error> {
    backend::kv_get(key)
}

/// Writes a key unconditionally. It expires after `ttl`, counted from now.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
    backend::kv_set(key, value, ttl.map(millis))
}

/// Writes a key only if it has not changed since it was read. `expected` is the version that was
/// read; none means that the key must not exist. True if the key was written.
///
/// # Errors
/// See [`Error`].
pub fn compare_and_set(
    key: &str,
    expected: Option<u64>,
    value: &[u8],
    ttl: Option<Duration>,
) -> Result<bool, Error> {
    backend::kv_compare_and_set(key, expected, value, ttl.map(millis))
}

/// Deletes a key; a missing one is no error.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    backend::kv_delete(key)
}

/// At most `limit` keys after `cursor` that begin with `prefix`, in byte order.
///
/// # Errors
/// See [`Error`].
pub fn list_keys(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    backend::kv_list(prefix, cursor, limit)
}

/// Reads a key, passes its value to `change`, and writes the result. If another call has written
/// the key meanwhile, it reads and calls `change` again. `change` returns the new value, or none to
/// leave the key as it is, and the value to return.
///
/// # Errors
/// [`Error::Contended`] after 16 attempts, and any error of `change` or of the storage.
pub fn update<T>(
    key: &str,
    ttl: Option<Duration>,
    mut change: impl FnMut(Option<&[u8]>) -> Result<(Option<Vec<u8>>, T), Error>,
) -> Result<T, Error> {
    for _ in 0..RACES {
        let entry = get(key)?;
        let (value, answer) = change(entry.as_ref().map(|entry| entry.value.as_slice()))?;
        let Some(value) = value else {
            return Ok(answer);
        };
        if compare_and_set(key, entry.map(|entry| entry.version), &value, ttl)? {
            return Ok(answer);
        }
    }
    Err(Error::Contended(key.to_owned()))
}

/// Adds to a counter and returns its new value; a missing counter starts at 0. It is stored as
/// decimal text, so that an operator can read and set it. Each addition restarts its `ttl`.
///
/// # Errors
/// [`Error::Corrupt`] if the value is not a number; otherwise as [`update`].
pub fn add(key: &str, by: u64, ttl: Option<Duration>) -> Result<u64, Error> {
    update(key, ttl, |value| {
        let count = match value {
            None => 0,
            Some(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok())
                .ok_or_else(|| Error::Corrupt(key.to_owned()))?,
        };
        let count = count.saturating_add(by);
        Ok((Some(count.to_string().into_bytes()), count))
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
