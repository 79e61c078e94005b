//! A storage that answers from the record of a call. Nothing is written.
//!
//! The requests of each key are answered in the order in which they were recorded. A version of the
//! plugin that asks in another order, or for other keys, leaves the record at some point: from there
//! on a key has the value that the call itself gave it, or else the last recorded one. A key that
//! the record does not have is read from the real storage if that is at hand, as for a candidate
//! that runs beside its plugin. Otherwise it is answered as missing, and is named in the result,
//! because the real storage might have had it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    ports::{KvError, KvSpace, KvStore},
    recorded::{FoundValue, StorageStep, StorageTrace, WriteAnswer},
};

/// The limits of the real storage, in bytes.
const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 1 << 20;

/// A value with its version; none when the key does not exist.
type Entry = Option<(Vec<u8>, u64)>;
/// The prefix, the cursor and the limit of a list.
type Listed = (String, Option<String>, u32);

/// The recorded storage of one call.
#[derive(Debug)]
pub(super) struct ReplayKv {
    state: Mutex<State>,
    /// Answers what the record does not have.
    beyond: Option<Arc<dyn KvStore>>,
}

/// What the record does not have, in words.
struct Unrecorded(String);

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, Key>,
    lists: BTreeMap<Listed, VecDeque<Vec<String>>>,
    unrecorded: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Key {
    steps: VecDeque<Step>,
    /// What the key holds as far as the call knows; none when it knows nothing.
    now: Option<Entry>,
}

#[derive(Debug)]
enum Step {
    Get(Option<FoundValue>),
    Set(WriteAnswer),
}

impl ReplayKv {
    pub(super) fn new(trace: &StorageTrace, beyond: Option<Arc<dyn KvStore>>) -> Self {
        let mut state = State::default();
        for step in &trace.steps {
            match step {
                StorageStep::Get { key, found } => {
                    let steps = &mut state.keys.entry(key.clone()).or_default().steps;
                    steps.push_back(Step::Get(found.clone()));
                }
                StorageStep::Set { key, answer } => {
                    let steps = &mut state.keys.entry(key.clone()).or_default().steps;
                    steps.push_back(Step::Set(*answer));
                }
                StorageStep::List {
                    prefix,
                    cursor,
                    limit,
                    keys,
                } => state
                    .lists
                    .entry((prefix.clone(), cursor.clone(), *limit))
                    .or_default()
                    .push_back(keys.clone()),
            }
        }
        Self {
            state: Mutex::new(state),
            beyond,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the call asked for and the record does not have.
    pub(super) fn unrecorded(&self) -> Vec<String> {
        self.state().unrecorded.iter().cloned().collect()
    }
}

/// The recorded value; an error when only its digest was recorded.
fn value(found: &FoundValue) -> Result<(Vec<u8>, u64), ()> {
    let encoded = found.value.as_deref().ok_or(())?;
    let bytes = STANDARD.decode(encoded).map_err(drop)?;
    Ok((bytes, found.version))
}

impl State {
    fn get(&mut self, key: &str) -> Result<Entry, Unrecorded> {
        let Some(known) = self.keys.get_mut(key) else {
            let what = format!("the key {key:?}, which the call did not read");
            return Err(Unrecorded(what));
        };
        if let Some(Step::Get(_)) = known.steps.front()
            && let Some(Step::Get(found)) = known.steps.pop_front()
        {
            let Ok(entry) = found.as_ref().map(value).transpose() else {
                let bytes = found.map_or(0, |found| found.bytes);
                return Err(Unrecorded(format!(
                    "the value of the key {key:?}: {bytes} bytes, of which only the digest is recorded"
                )));
            };
            known.now = Some(entry.clone());
            return Ok(entry);
        }
        known.now.clone().ok_or_else(|| {
            Unrecorded(format!(
                "the key {key:?}, which the call wrote and did not read before"
            ))
        })
    }

    /// The call learns what a key holds.
    fn learn(&mut self, key: &str, entry: Entry) {
        self.keys.entry(key.to_owned()).or_default().now = Some(entry);
    }

    fn set(&mut self, key: &str, expected: Option<Option<u64>>, value: &[u8]) -> WriteAnswer {
        if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return WriteAnswer::TooLarge;
        }
        let known = self.keys.entry(key.to_owned()).or_default();
        let version = known.now.as_ref().and_then(Option::as_ref).map(|now| now.1);
        let recorded = match known.steps.front() {
            Some(Step::Set(answer)) => Some(*answer),
            _ => None,
        };
        let answer = if let Some(answer) = recorded {
            known.steps.pop_front();
            answer
        } else {
            match expected {
                None => WriteAnswer::Written,
                Some(_) if known.now.is_none() => {
                    self.unrecorded.insert(format!(
                        "the version of the key {key:?}, which the call did not read"
                    ));
                    WriteAnswer::Written
                }
                Some(expected) if expected == version => WriteAnswer::Written,
                Some(_) => WriteAnswer::Conflict,
            }
        };
        if answer == WriteAnswer::Written {
            known.now = Some(Some((value.to_vec(), version.unwrap_or(0) + 1)));
        }
        answer
    }

    fn list(&mut self, wanted: &Listed) -> Result<Vec<String>, Unrecorded> {
        let recorded = self.lists.get_mut(wanted).and_then(VecDeque::pop_front);
        recorded.ok_or_else(|| {
            Unrecorded(format!(
                "the keys that begin with {:?}, which the call did not list",
                wanted.0
            ))
        })
    }
}

#[async_trait]
impl KvStore for ReplayKv {
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Entry, KvError> {
        let found = self.state().get(key);
        let what = match found {
            Ok(entry) => return Ok(entry),
            Err(Unrecorded(what)) => what,
        };
        let Some(beyond) = &self.beyond else {
            let mut state = self.state();
            state.unrecorded.insert(what);
            // Named, and the same from now on.
            if state.keys.contains_key(key) {
                state.learn(key, None);
            }
            return Ok(None);
        };
        let entry = beyond.get(space, key).await?;
        self.state().learn(key, entry.clone());
        Ok(entry)
    }

    async fn set(
        &self,
        _: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        match self.state().set(key, expected, value) {
            WriteAnswer::Written => Ok(true),
            WriteAnswer::Conflict => Ok(false),
            WriteAnswer::QuotaExceeded => Err(KvError::QuotaExceeded),
            WriteAnswer::TooLarge => Err(KvError::TooLarge),
        }
    }

    async fn delete(&self, _: &KvSpace, key: &str) -> Result<(), KvError> {
        self.state().keys.entry(key.to_owned()).or_default().now = Some(None);
        Ok(())
    }

    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError> {
        let wanted = (prefix.to_owned(), cursor.map(str::to_owned), limit);
        let found = self.state().list(&wanted);
        match (found, &self.beyond) {
            (Ok(keys), _) => Ok(keys),
            (Err(_), Some(beyond)) => beyond.list(space, prefix, cursor, limit).await,
            (Err(Unrecorded(what)), None) => {
                self.state().unrecorded.insert(what);
                Ok(vec![])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn space() -> KvSpace {
        KvSpace {
            plugin: "p".into(),
            session: None,
            quota: 1 << 20,
        }
    }

    fn read(key: &str, value: Option<(&[u8], u64)>) -> StorageStep {
        StorageStep::Get {
            key: key.into(),
            found: value.map(|(value, version)| FoundValue {
                version,
                bytes: value.len() as u64,
                sha256: hex::encode(Sha256::digest(value)),
                value: Some(STANDARD.encode(value)),
            }),
        }
    }

    fn wrote(key: &str, answer: WriteAnswer) -> StorageStep {
        StorageStep::Set {
            key: key.into(),
            answer,
        }
    }

    fn replay(steps: Vec<StorageStep>) -> ReplayKv {
        ReplayKv::new(&StorageTrace { steps, cut: false }, None)
    }

    #[tokio::test]
    async fn the_requests_of_a_key_are_answered_as_they_were() {
        let kv = replay(vec![
            read("n", Some((b"1", 7))),
            wrote("n", WriteAnswer::Conflict),
            read("n", Some((b"2", 9))),
            wrote("n", WriteAnswer::Written),
        ]);
        let get = async || kv.get(&space(), "n").await.expect("an answer");
        assert_eq!(get().await, Some((b"1".to_vec(), 7)));
        let set = async |expected: u64, value: &[u8]| {
            let expected = Some(Some(expected));
            kv.set(&space(), "n", expected, value, None).await
        };
        assert_eq!(set(7, b"2").await, Ok(false), "as it was recorded");
        assert_eq!(get().await, Some((b"2".to_vec(), 9)));
        assert_eq!(set(9, b"3").await, Ok(true));
        // The record ends here; the call's own write is still known.
        assert_eq!(get().await, Some((b"3".to_vec(), 10)));
        assert_eq!(set(9, b"4").await, Ok(false), "the version is 10");
        assert_eq!(kv.unrecorded(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_the_record_does_not_have_is_missing_and_named() {
        let big = StorageStep::Get {
            key: "big".into(),
            found: Some(FoundValue {
                version: 1,
                bytes: 5000,
                sha256: "00".into(),
                value: None,
            }),
        };
        let kv = replay(vec![read("known", None), big]);
        assert_eq!(kv.get(&space(), "known").await, Ok(None));
        assert_eq!(kv.get(&space(), "known").await, Ok(None), "the last answer");
        assert_eq!(kv.unrecorded(), Vec::<String>::new());
        assert_eq!(kv.get(&space(), "other").await, Ok(None));
        assert_eq!(kv.get(&space(), "big").await, Ok(None));
        assert_eq!(kv.list(&space(), "pre", None, 10).await, Ok(vec![]));
        let named = kv.unrecorded();
        for words in ["\"other\"", "\"big\": 5000 bytes", "begin with \"pre\""] {
            assert!(
                named.iter().any(|line| line.contains(words)),
                "{words} {named:?}"
            );
        }
        assert_eq!(named.len(), 3, "{named:?}");
    }

    #[tokio::test]
    async fn a_call_that_writes_what_it_did_not_write_before_reads_its_own_write() {
        let kv = replay(vec![read("a", Some((b"old", 3)))]);
        assert_eq!(kv.get(&space(), "a").await, Ok(Some((b"old".to_vec(), 3))));
        assert_eq!(kv.set(&space(), "a", None, b"new", None).await, Ok(true));
        assert_eq!(kv.get(&space(), "a").await, Ok(Some((b"new".to_vec(), 4))));
        kv.delete(&space(), "a").await.expect("deleted");
        assert_eq!(kv.get(&space(), "a").await, Ok(None));
        assert_eq!(
            kv.set(&space(), "b", Some(None), b"x", None).await,
            Ok(true)
        );
        assert!(
            kv.unrecorded().iter().any(|line| line.contains("\"b\"")),
            "whether it existed is not known"
        );
        let long = "k".repeat(MAX_KEY + 1);
        assert_eq!(
            kv.set(&space(), &long, None, b"x", None).await,
            Err(KvError::TooLarge)
        );
    }
}
