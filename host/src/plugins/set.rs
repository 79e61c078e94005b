//! The plugins of one moment, in the operator's order. A set never changes: a reload publishes
//! another one.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    beside::{Beside, Candidate},
    guest::Plugin,
    report::PluginStatus,
};
use crate::config;

/// The candidates that were refused last: their entries and the digests of their files.
pub(super) type Refused = BTreeMap<String, (config::Plugin, Option<String>)>;

/// The loaded plugins, and what is known of these and of all others that have an entry.
#[derive(Debug, Default)]
pub(super) struct PluginSet {
    pub(super) plugins: Vec<Arc<Plugin>>,
    /// The candidates of the loaded plugins, by the name of the plugin.
    pub(super) candidates: BTreeMap<String, Beside>,
    /// In the order of the entries.
    pub(super) statuses: Vec<PluginStatus>,
}

impl PluginSet {
    /// The loaded plugin of this name.
    pub(super) fn plugin(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| plugin.entry.name == name)
    }

    /// The candidate that is asked beside a plugin; none if the plugin has none that can be used.
    pub(super) fn candidate(&self, plugin: &str) -> Option<&Arc<Candidate>> {
        self.candidates.get(plugin)?.outcome.as_ref().ok()
    }

    /// Puts a plugin behind the others, with its candidate.
    pub(super) fn stand(&mut self, plugin: Plugin, beside: Option<Beside>) {
        if let Some(beside) = beside {
            self.candidates.insert(plugin.entry.name.clone(), beside);
        }
        self.plugins.push(Arc::new(plugin));
    }

    /// What is known of the plugin of this name.
    pub(super) fn status(&self, name: &str) -> Option<&PluginStatus> {
        self.statuses
            .iter()
            .find(|status| status.report.name == name)
    }
}

/// Sorts `items` in the order of `names`. What `names` does not have stays behind what it follows
/// now: the order of the pipeline changes by the operator's file alone.
pub(super) fn in_order<T>(items: Vec<T>, name: impl Fn(&T) -> &str, names: &[&str]) -> Vec<T> {
    let mut place = None;
    let mut placed: Vec<_> = items
        .into_iter()
        .map(|item| {
            place = names
                .iter()
                .position(|known| *known == name(&item))
                .or(place);
            (place, item)
        })
        .collect();
    // The sort is stable.
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_file_and_what_left_it_stays_where_it_was() {
        let ordered = |items: &[&'static str], names: &[&str]| {
            in_order(items.to_vec(), |item| item, names).join(" ")
        };
        assert_eq!(ordered(&["a", "b", "c"], &["c", "a", "b"]), "c a b");
        assert_eq!(ordered(&["a", "gone", "b"], &["b", "a"]), "b a gone");
        assert_eq!(ordered(&["gone", "a", "b"], &["b", "a"]), "gone b a");
        assert_eq!(
            ordered(&["a", "x", "y", "b"], &["b", "new", "a"]),
            "b a x y"
        );
    }
}
