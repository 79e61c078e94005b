//! Metrics of pending and dead deliveries. The rows are counted periodically, because counting them
//! at each change would be expensive. Receivers without any are forgotten then.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use super::{receivers::ReceiverId, shared::Shared};
use crate::store::StoreError;

const PERIOD: Duration = Duration::from_secs(15);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut clock = interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = HashSet::new();
    loop {
        clock.tick().await;
        if let Err(error) = count(&shared, &mut shown).await {
            debug!(%error, "deliveries cannot be counted");
        }
    }
}

/// Counts the deliveries, and forgets the receivers that have none. `shown` are the receivers with
/// counts that are not 0 in the metrics.
pub(super) async fn count(
    shared: &Shared,
    shown: &mut HashSet<ReceiverId>,
) -> Result<(), StoreError> {
    let counts = shared.store.delivery_counts().await?;
    // Receivers without deliveries are not among the rows, so they are set to 0.
    let mut gone = std::mem::take(shown);
    let mut there = HashSet::with_capacity(counts.len());
    let mut receivers = shared.receivers();
    for count in counts {
        let id = ReceiverId {
            plugin: count.plugin,
            target: count.target,
        };
        if receivers.is_named(&id) {
            set(&id, count.pending, count.dead);
            gone.remove(&id);
            shown.insert(id.clone());
        }
        there.insert(id);
    }
    for id in gone {
        set(&id, 0, 0);
    }
    receivers.forget_idle(|id| there.contains(id));
    Ok(())
}

fn set(ReceiverId { plugin, target }: &ReceiverId, pending: u64, dead: u64) {
    for (name, count) in [
        ("wharf_deliveries_pending", pending),
        ("wharf_dead_letters", dead),
    ] {
        metrics::gauge!(name, "plugin" => plugin.clone(), "target" => target.clone())
            .set(count as f64);
    }
}
