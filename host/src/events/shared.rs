//! What appending, routing, delivering and counting share.
//!
//! It lies below all of them, so that a task never has to know the log it belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{credentials::Credentials, receivers::Receivers};
use crate::{
    config,
    model::{Envelope, Timestamp},
    plugins::Notifiers,
    store::Store,
};

/// The name under which the database keeps how far events were routed.
pub(super) const CURSOR: &str = "deliveries";

/// The event log, its notifiers and what the tasks tell each other.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) notifiers: Arc<dyn Notifiers>,
    pub(super) delivery: config::Delivery,
    ids: Mutex<ulid::Generator>,
    credentials: Mutex<Credentials>,
    receivers: Mutex<Receivers>,
    pub(super) appended: Notify,
    pub(super) due: Notify,
}

impl Shared {
    pub(super) fn new(
        store: Store,
        notifiers: Arc<dyn Notifiers>,
        delivery: config::Delivery,
    ) -> Self {
        Self {
            store,
            notifiers,
            receivers: Mutex::new(Receivers::new(delivery.per_receiver, delivery.concurrency)),
            delivery,
            ids: Mutex::new(ulid::Generator::new()),
            credentials: Mutex::default(),
            appended: Notify::new(),
            due: Notify::new(),
        }
    }

    /// Later ids sort after earlier ones, also within a millisecond.
    pub(super) fn next_ulid(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only after 2^80 ids in one millisecond.
        ids.generate()
            .unwrap_or_else(|_| ulid::Ulid::generate())
            .to_string()
            .to_ascii_lowercase()
    }

    /// The event as notifiers see it: with its code, if it has one. None: that can be used no more.
    pub(super) fn complete(&self, envelope: Envelope) -> Option<Envelope> {
        self.credentials().complete(envelope, Timestamp::now())
    }

    pub(super) fn receivers(&self) -> MutexGuard<'_, Receivers> {
        self.receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn credentials(&self) -> MutexGuard<'_, Credentials> {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
