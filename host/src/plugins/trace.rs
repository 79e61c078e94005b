//! Records what a call asks of its storage, while it passes the requests on.
//!
//! What is recorded is bounded, so that a plugin cannot fill the database with its reads: a value of
//! more than [`MAX_VALUE`] bytes is recorded by its digest, and after [`MAX_STEPS`] requests or
//! [`MAX_BYTES`] bytes the rest is left out. The call itself is not affected.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{
    ports::{KvError, KvSpace, KvStore},
    recorded::{FoundValue, StorageStep, StorageTrace, WriteAnswer},
};

/// The most bytes of a value that are recorded.
pub(super) const MAX_VALUE: usize = 4096;
/// The most requests of a call that are recorded.
pub(super) const MAX_STEPS: usize = 256;
/// The most bytes of keys and values of a call that are recorded.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// What a call has asked for until now.
#[derive(Debug, Default)]
pub(super) struct Trace(Mutex<Traced>);

#[derive(Debug, Default)]
struct Traced {
    storage: StorageTrace,
    bytes: usize,
    secrets: BTreeSet<String>,
    asked_network: bool,
}

/// What was recorded of a call.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) storage: StorageTrace,
    /// The names of the secrets that it asked for.
    pub(super) secrets: Vec<String>,
    /// Whether it asked the network, which a call that is made again may not.
    pub(super) asked_network: bool,
}

impl Trace {
    fn traced(&self) -> MutexGuard<'_, Traced> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, bytes: usize, step: impl FnOnce() -> StorageStep) {
        let mut traced = self.traced();
        let bytes = traced.bytes.saturating_add(bytes);
        if traced.storage.cut || traced.storage.steps.len() >= MAX_STEPS || bytes > MAX_BYTES {
            traced.storage.cut = true;
            return;
        }
        traced.bytes = bytes;
        traced.storage.steps.push(step());
    }

    /// Records that a granted secret was asked for.
    pub(super) fn secret(&self, name: &str) {
        let mut traced = self.traced();
        if !traced.secrets.contains(name) {
            traced.secrets.insert(name.to_owned());
        }
    }

    /// Records that a request was refused because the call is made again.
    pub(super) fn asked_network(&self) {
        self.traced().asked_network = true;
    }

    /// What was recorded. Nothing is left.
    pub(super) fn take(&self) -> Taken {
        let traced = std::mem::take(&mut *self.traced());
        Taken {
            storage: traced.storage,
            secrets: traced.secrets.into_iter().collect(),
            asked_network: traced.asked_network,
        }
    }
}

/// A storage that records what is asked of it.
#[derive(Debug)]
pub(super) struct RecordingKv {
    pub(super) inner: Arc<dyn KvStore>,
    pub(super) trace: Arc<Trace>,
}

fn found(value: &[u8], version: u64) -> FoundValue {
    FoundValue {
        version,
        bytes: value.len() as u64,
        sha256: hex::encode(Sha256::digest(value)),
        value: (value.len() <= MAX_VALUE).then(|| STANDARD.encode(value)),
    }
}

/// The answer to a write; none when the storage failed, because then the call does not count.
fn answer(result: &Result<bool, KvError>) -> Option<WriteAnswer> {
    match result {
        Ok(true) => Some(WriteAnswer::Written),
        Ok(false) => Some(WriteAnswer::Conflict),
        Err(KvError::QuotaExceeded) => Some(WriteAnswer::QuotaExceeded),
        Err(KvError::TooLarge) => Some(WriteAnswer::TooLarge),
        Err(KvError::Unavailable(_)) => None,
    }
}

#[async_trait]
impl KvStore for RecordingKv {
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        let entry = self.inner.get(space, key).await?;
        let value = entry.as_ref().map_or(&[][..], |(value, _)| value);
        let kept = if value.len() <= MAX_VALUE {
            value.len()
        } else {
            0
        };
        self.trace.step(key.len() + kept, || StorageStep::Get {
            key: key.to_owned(),
            found: entry
                .as_ref()
                .map(|(value, version)| found(value, *version)),
        });
        Ok(entry)
    }

    async fn set(
        &self,
        space: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        let result = self.inner.set(space, key, expected, value, ttl).await;
        if let Some(answer) = answer(&result) {
            self.trace.step(key.len(), || StorageStep::Set {
                key: key.to_owned(),
                answer,
            });
        }
        result
    }

    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError> {
        self.inner.delete(space, key).await
    }

    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError> {
        let keys = self.inner.list(space, prefix, cursor, limit).await?;
        let bytes =
            prefix.len() + cursor.map_or(0, str::len) + keys.iter().map(String::len).sum::<usize>();
        self.trace.step(bytes, || StorageStep::List {
            prefix: prefix.to_owned(),
            cursor: cursor.map(str::to_owned),
            limit,
            keys: keys.clone(),
        });
        Ok(keys)
    }
}
