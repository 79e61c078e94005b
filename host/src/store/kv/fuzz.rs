//! Fuzzing of the plugins' storage: keys, prefixes and cursors of any bytes, beside a map that does
//! the same.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{MAX_KEY, MAX_LIST};
use crate::{
    fuzz::{self, Values},
    plugins::{KvError, KvSpace, KvStore},
    store::{Store, scratch},
};

/// The most operations of one input; each write is a commit.
const MAX_OPERATIONS: usize = 12;

async fn same(store: &Store, space: &KvSpace, input: &[u8]) -> Result<(), String> {
    let mut values = Values(input);
    let mut map: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..MAX_OPERATIONS {
        if values.is_empty() {
            return Ok(());
        }
        let operation = values.byte();
        let key = values.text();
        let fits = (1..=MAX_KEY).contains(&key.len());
        match operation % 4 {
            0 => {
                let value = values.line();
                let written = store.set(space, &key, None, &value, None).await;
                if fits && written == Ok(true) {
                    map.insert(key, value);
                } else if fits || written != Err(KvError::TooLarge) {
                    return Err(format!("{key:?} is written: {written:?}"));
                }
            }
            1 => {
                store
                    .delete(space, &key)
                    .await
                    .map_err(|error| error.to_string())?;
                map.remove(&key);
            }
            2 => {
                let found = store
                    .get(space, &key)
                    .await
                    .map(|found| found.map(|found| found.0));
                if found != Ok(map.get(&key).cloned()) {
                    return Err(format!("{key:?} is {found:?}, not {:?}", map.get(&key)));
                }
            }
            _ => {
                let cursor = values.text();
                let cursor = (!cursor.is_empty()).then_some(cursor);
                let limit = u32::from(values.byte() % 4) * MAX_LIST;
                let found = store.list(space, &key, cursor.as_deref(), limit).await;
                let wanted: Vec<String> = map
                    .keys()
                    .filter(|known| known.starts_with(&key))
                    .filter(|known| cursor.as_ref().is_none_or(|cursor| *known > cursor))
                    .take(usize::try_from(limit).unwrap_or(0))
                    .cloned()
                    .collect();
                if found != Ok(wanted.clone()) {
                    return Err(format!(
                        "{key:?} after {cursor:?}: {found:?}, not {wanted:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn any_keys_prefixes_and_cursors_are_compared_byte_by_byte() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_dir, store) = runtime.block_on(scratch());
    let spaces = AtomicU64::new(0);
    let words = ["\0", "%", "_", "ä", "\u{10ffff}", "'", "\n", "a"];
    fuzz::run("kv", &words, |input| {
        let space = KvSpace {
            plugin: format!("p{}", spaces.fetch_add(1, Ordering::Relaxed)),
            session: None,
            quota: 1 << 20,
        };
        runtime.block_on(same(&store, &space, input))
    });
}
