//! What belongs to no single plugin and outlives every set of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::reported::ReportedVerdicts;
use crate::model::ClientId;

type Pairs = Arc<[(String, String)]>;

/// What outlives every set of plugins.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// The operator's pairs for each session, which events carry.
    metadata: RwLock<BTreeMap<ClientId, Pairs>>,
    pub(super) reported: ReportedVerdicts,
}

impl Common {
    pub(super) fn set_metadata(&self, session: ClientId, pairs: Pairs) {
        self.metadata
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session, pairs);
    }

    pub(super) fn metadata(&self, session: &ClientId) -> Pairs {
        self.metadata
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(session)
            .cloned()
            .unwrap_or_default()
    }
}
