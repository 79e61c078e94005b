//! Keeps the configurations that validators are loaded with, before any decision refers to them.

use std::sync::Arc;

use tracing::warn;

use super::{host::PluginHost, points::send_validation, ports::ConfigStore, set::PluginSet};

impl PluginHost {
    /// Keeps the configurations of the validators in `store`, also of those that are loaded later.
    pub async fn keep_configs_in(&self, store: Arc<dyn ConfigStore>) {
        // Fails only if somebody keeps them already.
        let _ = self.configs.set(store);
        self.keep_configs().await;
    }

    /// Notes that the configurations of the loaded validators are in use.
    pub async fn keep_configs(&self) {
        self.keep_configs_of(&self.set()).await;
    }

    pub(super) async fn keep_configs_of(&self, set: &PluginSet) {
        let Some(store) = self.configs.get() else {
            return;
        };
        let validators = set
            .plugins
            .iter()
            .filter(|plugin| plugin.points.get::<send_validation::Exported>().is_some());
        for plugin in validators {
            if let Err(error) = store
                .keep_config(&plugin.config_digest, &plugin.config)
                .await
            {
                // No reason to do without the plugin.
                warn!(
                    plugin = plugin.entry.name,
                    error,
                    "the configuration of the plugin was not kept: decisions that are made with it may not be repeatable once it has changed"
                );
            }
        }
    }
}
