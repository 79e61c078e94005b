//! Metrics of pending and dead deliveries. The rows are counted periodically, because counting them
//! at each change would be expensive.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use super::{receivers::ReceiverId, shared::Shared};

const PERIOD: Duration = Duration::from_secs(15);

pub(super) async fn run(shared: Arc<Shared>) {
    let mut clock = interval(PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = HashSet::<ReceiverId>::new();
    loop {
        clock.tick().await;
        let counts = match shared.store.delivery_counts().await {
            Ok(counts) => counts,
            Err(error) => {
                debug!(%error, "deliveries cannot be counted");
                continue;
            }
        };
        // Receivers without deliveries are not among the rows, so they are set to 0.
        let mut gone = shown.clone();
        for count in counts {
            let id = ReceiverId {
                plugin: count.plugin,
                target: count.target,
            };
            if shared.receivers().is_named(&id) {
                set(&id, count.pending, count.dead);
                gone.remove(&id);
                shown.insert(id);
            }
        }
        for id in gone {
            set(&id, 0, 0);
            shown.remove(&id);
        }
    }
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
