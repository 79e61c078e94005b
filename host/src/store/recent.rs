//! Cache of values that plugins have read.
//!
//! A validator reads the same few keys for every message, and most often one that does not exist,
//! so results are cached. A key is not cached while a write of it is under way, so a cached value
//! was read while nobody wrote.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Maximum number of cached keys. When it is reached, the cache is cleared.
const KEPT: usize = 20_000;
/// Maximum size of a cached value in bytes. Larger values are read each time.
const MAX_KEPT: usize = 1 << 10;

/// A value as it is in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) bytes: Vec<u8>,
    pub(super) version: u64,
    /// Milliseconds since the epoch.
    pub(super) expires_at: Option<i64>,
}

/// Plugin, session (empty: across sessions) and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    plugin: String,
    session: String,
    key: String,
}

#[derive(Debug, Default)]
struct Slot {
    /// The cached result: `None` if the key was not read yet, `Some(None)` if it does not exist.
    value: Option<Option<Value>>,
    /// Number of writes under way.
    writing: u32,
    /// Number of writes that were begun.
    writes: u64,
}

/// The result of a look-up in the cache.
pub(super) enum Found {
    Kept(Option<Value>),
    /// Not cached. Pass `Since` to [`Recent::keep`] after reading the table.
    Unknown(Since),
}

/// State of the cache before a read. It shows whether a write was begun meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    age: u64,
    writes: u64,
}

#[derive(Debug, Default)]
struct Slots {
    map: HashMap<Place, Slot>,
    /// How often slots were discarded together with their counts of writes.
    age: u64,
}

impl Slots {
    /// Discards slots if there are too many. Returns whether it did.
    fn make_room(&mut self) -> bool {
        let full = self.map.len() >= KEPT;
        if full {
            // Slots of writes under way stay, because dropping [`Writing`] has to find them.
            self.map.retain(|_, slot| slot.writing > 0);
            self.age += 1;
        }
        full
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct Recent(Arc<Mutex<Slots>>);

impl Place {
    pub(super) fn new(plugin: &str, session: String, key: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            session,
            key: key.to_owned(),
        }
    }
}

impl Recent {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, place: &Place) -> Found {
        let slots = self.slots();
        match slots.map.get(place) {
            Some(Slot {
                value: Some(value), ..
            }) => Found::Kept(value.clone()),
            slot => Found::Unknown(Since {
                age: slots.age,
                writes: slot.map_or(0, |slot| slot.writes),
            }),
        }
    }

    /// Caches the result of a read, unless a write may have begun since.
    pub(super) fn keep(&self, place: Place, since: Since, value: Option<&Value>) {
        if value.is_some_and(|value| value.bytes.len() > MAX_KEPT) {
            return;
        }
        let mut slots = self.slots();
        if slots.age != since.age {
            return;
        }
        if slots.make_room() {
            return;
        }
        let slot = slots.map.entry(place).or_default();
        if slot.writing == 0 && slot.writes == since.writes {
            slot.value = Some(value.cloned());
        }
    }

    /// Records that a write begins. Hold the guard until the write is done, successful or not:
    /// meanwhile the key is not cached, and its slot is not discarded.
    pub(super) fn writing(&self, place: Place) -> Writing {
        let mut slots = self.slots();
        slots.make_room();
        let slot = slots.map.entry(place.clone()).or_default();
        slot.value = None;
        slot.writing += 1;
        slot.writes += 1;
        Writing {
            recent: self.clone(),
            place,
        }
    }
}

/// A write that is under way. Dropping it records that the write has ended.
#[derive(Debug)]
pub(super) struct Writing {
    recent: Recent,
    place: Place,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(slot) = self.recent.slots().map.get_mut(&self.place) {
            slot.writing = slot.writing.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Place {
        Place::new("p", String::new(), key)
    }

    fn unknown(recent: &Recent, place: &Place) -> Option<Since> {
        match recent.find(place) {
            Found::Unknown(since) => Some(since),
            Found::Kept(_) => None,
        }
    }

    #[test]
    fn what_was_read_beside_a_write_is_not_kept() {
        let (recent, place) = (Recent::default(), place("k"));
        let before = unknown(&recent, &place).expect("nothing is kept");
        let write = recent.writing(place.clone());
        recent.keep(place.clone(), before, None);
        let during = unknown(&recent, &place).expect("a write had begun");
        recent.keep(place.clone(), during, None);
        drop(write);
        recent.keep(place.clone(), before, None);
        let after = unknown(&recent, &place).expect("read before the write, or while it lasted");
        recent.keep(place.clone(), after, None);
        assert!(matches!(recent.find(&place), Found::Kept(None)));
        let _write = recent.writing(place.clone());
        assert!(unknown(&recent, &place).is_some(), "what was kept is old");
    }

    #[test]
    fn keys_that_are_only_written_do_not_pile_up() {
        let recent = Recent::default();
        for n in 0..3 * KEPT {
            drop(recent.writing(place(&n.to_string())));
        }
        assert!(recent.slots().map.len() <= KEPT);
    }

    #[test]
    fn it_does_not_grow_without_end_and_forgets_no_write() {
        let (recent, writing, written) = (Recent::default(), place("writing"), place("written"));
        let before = unknown(&recent, &written).expect("nothing is kept");
        let _write = recent.writing(writing.clone());
        drop(recent.writing(written.clone()));
        for n in 0..=KEPT {
            let place = place(&n.to_string());
            if let Some(since) = unknown(&recent, &place) {
                recent.keep(place, since, None);
            }
        }
        assert!(recent.slots().map.len() < KEPT / 2);
        recent.keep(written.clone(), before, None);
        assert!(
            unknown(&recent, &written).is_some(),
            "it was read before a write"
        );
        for (place, value) in [
            (writing, None),
            (
                place("large"),
                Some(Value {
                    bytes: vec![0; MAX_KEPT + 1],
                    version: 1,
                    expires_at: None,
                }),
            ),
        ] {
            let since = unknown(&recent, &place).expect("not kept");
            recent.keep(place.clone(), since, value.as_ref());
            assert!(unknown(&recent, &place).is_some(), "{place:?}");
        }
    }
}
