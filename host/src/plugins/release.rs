//! The end of a quarantine: its time has passed, or a reload has ended it.

use std::time::Duration;

use tokio::time::sleep;

use super::{guest::Plugin, host::PluginHost, quarantine::Quarantined};
use crate::model::Timestamp;

impl PluginHost {
    /// Waits until a quarantine is over.
    pub async fn quarantine_over(&self, quarantined: &Quarantined) {
        loop {
            let published = self.published.notified();
            tokio::pin!(published);
            // From here on no reload is missed.
            published.as_mut().enable();
            let Some(left) = self.quarantine_left(quarantined) else {
                return;
            };
            tokio::select! {
                () = sleep(left) => {}
                () = published => {}
            }
        }
    }

    /// For how long the version that was quarantined is not called; none if it is, or is gone.
    fn quarantine_left(&self, quarantined: &Quarantined) -> Option<Duration> {
        let set = self.set();
        let all = set.plugins.iter().map(|plugin| &**plugin);
        let candidates = set.candidates.values().filter_map(|beside| {
            let candidate = beside.outcome.as_ref().ok()?;
            Some(&candidate.plugin)
        });
        let is_it = |plugin: &&Plugin| {
            plugin.label == quarantined.plugin && plugin.component == quarantined.component
        };
        let until = all.chain(candidates).find(is_it)?.quarantine.until()?;
        let millis = until.0.saturating_sub(Timestamp::now().0);
        // The clock of people may have been set back meanwhile.
        let left = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        Some(left.clamp(Duration::from_millis(10), Duration::from_secs(3600)))
    }
}
