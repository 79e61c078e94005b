//! The state that appending, routing, delivering and counting share.
//!
//! It is a module below all of them, so that they do not depend on each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{credentials::Credentials, receivers::Receivers};
use crate::{
    config,
    model::{Envelope, Timestamp},
    plugins::Notifiers,
    store::Store,
};

/// Name of the stored cursor up to which events were routed.
pub(super) const CURSOR: &str = "deliveries";

/// The event log, its notifiers and the state of the tasks.
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

    /// Makes a new id. Later ids sort after earlier ones, also within a millisecond.
    pub(super) fn next_ulid(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only after 2^80 ids in one millisecond.
        ids.generate()
            .unwrap_or_else(|_| ulid::Ulid::generate())
            .to_string()
            .to_ascii_lowercase()
    }

    /// The event as notifiers see it: with its QR or pairing code, if it has one. Returns `None` if
    /// that has expired or is gone.
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
