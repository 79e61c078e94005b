//! Tells the operator of capabilities that a plugin asked for and was not granted.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::warn;

/// The refusals of one call; each capability is reported once.
#[derive(Clone)]
pub(super) struct Refusals(Arc<(String, Mutex<BTreeSet<&'static str>>)>);

impl Refusals {
    pub(super) fn new(plugin: &str) -> Self {
        Self(Arc::new((plugin.to_owned(), Mutex::default())))
    }

    /// The capabilities that were refused so far.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let reported = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        reported.iter().copied().collect()
    }

    pub(super) fn report(&self, capability: &'static str) {
        let (plugin, reported) = &*self.0;
        if reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(capability)
        {
            warn!(
                plugin,
                capability,
                "not granted: the plugin asked for what its grants in gateway.toml do not hold"
            );
        }
    }
}
