//! What the fake pages of tests have in common: a question that a fake does not answer fails its
//! test.
//!
//! The panic alone is not enough. Much is asked by tasks of their own, and a task takes its panic
//! with it; a supervisor even takes it for a refusal. So what was not answered is kept, and the
//! test that holds [`Unanswered`] fails by it in the end.

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
    /// What a fake's channel does.
    pub(crate) fn refuse(&self, call: &Call) -> ! {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call.name);
        panic!("the fake page of this test does not answer {}", call.name)
    }

    /// For the test's own scope: fails there, when it ends, for what a task was asked.
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
