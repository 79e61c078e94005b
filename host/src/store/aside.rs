//! Rows that cannot be read: written by another version, or broken. Whoever reads several rows leaves those out and goes on;
//! each is named once, in the log and in a metric.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::error;

use super::StoreError;

/// Rows that are named; of more, the metric alone tells.
const NAMED: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub(super) struct Aside(Arc<Mutex<HashSet<(&'static str, String)>>>);

impl Aside {
    /// What was read. None: it could not be, and that is named; `row` is the row's name in its table.
    pub(super) fn readable<T, E: Into<StoreError>>(&self, table: &'static str, row: impl FnOnce() -> String, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.name(table, row(), &error.into());
                None
            }
        }
    }

    fn name(&self, table: &'static str, row: String, reason: &StoreError) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED && named.insert((table, row.clone())) {
            metrics::counter!("wharf_unreadable_rows_total", "table" => table).increment(1);
            error!(table, row, %reason, "a row of the database cannot be read: written by another version, or broken; it is left out");
        }
    }
}
