//! Shared parts of the fake pages of tests: a question that a fake does not answer fails its test.
//!
//! The panic alone is not enough. Many questions are asked by separate tasks, which absorb the
//! panic; a supervisor even treats it as a refusal. So unanswered questions are recorded, and the
//! test that holds a [`Watch`] fails when it ends.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::question::Call;

/// Questions that a fake was asked and does not answer.
#[derive(Debug, Default)]
pub(crate) struct Unanswered(Arc<Mutex<BTreeSet<&'static str>>>);

impl Unanswered {
    /// Records the question and panics; called by the channel of a fake.
    pub(crate) fn refuse(&self, call: &Call) -> ! {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call.name);
        panic!("the fake page of this test does not answer {}", call.name)
    }

    /// A guard for the scope of the test: dropping it fails the test if a question was not
    /// answered.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.0))
    }
}

/// See [`Unanswered::watch`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Watch(Arc<Mutex<BTreeSet<&'static str>>>);

impl Drop for Watch {
    fn drop(&mut self) {
        let asked = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        assert!(
            thread::panicking() || asked.is_empty(),
            "the fake page of this test does not answer {asked:?}"
        );
    }
}
