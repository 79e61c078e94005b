//! The delivery loop: tries due deliveries, receiver by receiver, and keeps each outcome in memory
//! until it is committed.
//!
//! A row stays pending while it is tried, so the ids of current attempts are kept here until their
//! outcomes are on the disk. An attempt that panics affects no other; it counts as a failed attempt
//! of its delivery.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{self, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tracing::{debug, error, info, warn};

use super::{
    attempt::{self, Done, FIRST_PAUSE},
    http::Caller,
    receivers::ReceiverId,
    shared::Shared,
};
use crate::{
    model::Timestamp,
    store::{Delivery, StoreError, Update},
    tasks::Trouble,
};

/// Maximum time between two queries of the table.
const IDLE: Duration = Duration::from_secs(30);
/// With this many unrecorded outcomes nothing new is begun, so that they do not pile up while the
/// database cannot be written.
const UNNOTED: usize = 512;

/// With fewer unrecorded outcomes than this, the table is queried as soon as a call has ended. Each
/// query has to read past those rows.
const PAST: usize = 64;

pub(super) async fn run(shared: Arc<Shared>) {
    let caller = match Caller::new() {
        Ok(caller) => Arc::new(caller),
        Err(error) => return error!(%error, "no HTTP client: nothing is delivered"),
    };
    let mut work = Work::new(shared, caller);
    loop {
        work.step().await;
    }
}

/// An attempt that is running.
#[derive(Debug)]
struct Begun {
    receiver: ReceiverId,
    delivery: Delivery,
    at: Instant,
}

struct Work {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    running: JoinSet<Done>,
    begun: HashMap<task::Id, Begun>,
    /// Deliveries that are being tried or whose outcome is not on the disk yet.
    busy: HashMap<String, ReceiverId>,
    tried: Vec<(String, Update)>,
    /// Outcomes that are being recorded; kept until that is done.
    batch: Arc<Vec<(String, Update)>>,
    noting: JoinSet<()>,
    look_at: Instant,
    trouble: Trouble,
    /// Whether more is due than could be begun.
    more: bool,
}

impl Work {
    fn new(shared: Arc<Shared>, caller: Arc<Caller>) -> Self {
        shared.receivers().forget_calls();
        Self {
            shared,
            caller,
            running: JoinSet::new(),
            begun: HashMap::new(),
            busy: HashMap::new(),
            tried: Vec::new(),
            batch: Arc::default(),
            noting: JoinSet::new(),
            look_at: Instant::now(),
            trouble: Trouble::default(),
            more: false,
        }
    }

    async fn step(&mut self) {
        if self.look_at <= Instant::now() {
            self.look().await;
        }
        if !self.tried.is_empty() && self.noting.is_empty() {
            self.batch = Arc::new(std::mem::take(&mut self.tried));
            self.noting.spawn(note(
                Arc::clone(&self.shared),
                Arc::clone(&self.batch),
                Duration::ZERO,
            ));
        }
        tokio::select! {
            Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => self.ended(ended),
            Some(noted) = self.noting.join_next(), if !self.noting.is_empty() => self.noted(noted),
            () = self.shared.due.notified() => self.look_at = Instant::now(),
            () = sleep_until(self.look_at) => {}
        }
    }

    async fn look(&mut self) {
        self.look_at = Instant::now() + IDLE;
        self.more = true;
        if self.tried.len() + self.batch.len() >= UNNOTED {
            return;
        }
        if let Err(error) = self.begin_due().await {
            if self.trouble.is_new(&error) {
                warn!(%error, "deliveries cannot be read; it is retried until they can");
            }
            self.look_at = Instant::now() + FIRST_PAUSE;
        } else if self.trouble.is_over() {
            info!("deliveries are read again");
        }
    }

    /// Begins the due deliveries that the limits allow, and sets when to query again.
    async fn begin_due(&mut self) -> Result<(), StoreError> {
        let mut of_one = HashMap::<&ReceiverId, usize>::new();
        for receiver in self.busy.values() {
            *of_one.entry(receiver).or_default() += 1;
        }
        let each = of_one.values().max().unwrap_or(&0) + self.shared.delivery.per_receiver + 1;
        let rows = self
            .shared
            .store
            .delivery_lines(u32::try_from(each).unwrap_or(u32::MAX))
            .await?;
        let longest = attempt::longest_pause(&self.shared);
        let mut lines = Lines::of(rows, each, Timestamp::now(), longest, |id| {
            self.busy.contains_key(id)
        });
        let chosen = lines.choose(&self.shared);
        self.more = lines.more();
        self.look_at = lines.look_at;
        let seqs: Vec<i64> = chosen
            .iter()
            .map(|(_, delivery)| delivery.event_seq)
            .collect();
        let mut envelopes = if seqs.is_empty() {
            HashMap::new()
        } else {
            self.shared.store.envelopes(&seqs).await?
        };
        // Several deliveries may share one event, so only the last use takes it.
        let mut envelope_of = |seq: i64, last: bool| {
            if last {
                envelopes.remove(&seq)
            } else {
                envelopes.get(&seq).cloned()
            }
        };
        for (place, (receiver, delivery)) in chosen.into_iter().enumerate() {
            let last = !seqs
                .iter()
                .skip(place + 1)
                .any(|seq| *seq == delivery.event_seq);
            let envelope = envelope_of(delivery.event_seq, last);
            let (shared, caller, row) = (
                Arc::clone(&self.shared),
                Arc::clone(&self.caller),
                delivery.clone(),
            );
            let at = Instant::now();
            self.shared.receivers().begin(&receiver, &delivery.id, at);
            self.busy.insert(delivery.id.clone(), receiver.clone());
            let task = self
                .running
                .spawn(async move { attempt::attempt(&shared, &caller, &row, envelope).await });
            self.begun.insert(
                task.id(),
                Begun {
                    receiver,
                    delivery,
                    at,
                },
            );
        }
        Ok(())
    }

    fn ended(&mut self, ended: Result<(task::Id, Done), JoinError>) {
        let (id, done) = match ended {
            Ok((id, done)) => (id, Some(done)),
            Err(error) => (error.id(), None),
        };
        let Some(Begun {
            receiver,
            delivery,
            at,
        }) = self.begun.remove(&id)
        else {
            return;
        };
        let number = delivery.attempt.saturating_add(1);
        let Done { update, seen } = done.unwrap_or_else(|| {
            // The panic message may contain anything, so it is not stored; the panic hook has
            // logged it.
            error!(
                delivery = delivery.id,
                plugin = delivery.plugin,
                receiver = delivery.target,
                attempt = number,
                "an attempt panicked; it counts as failed"
            );
            attempt::failed(
                &self.shared,
                number,
                "the gateway panicked during the attempt; its log says more".into(),
            )
        });
        let (result, dead) = match &update {
            Update::Delivered => ("delivered", None),
            Update::Retry(..) => ("retry", None),
            Update::Dead(reason) => ("dead", Some(reason.as_str())),
            Update::Stale(_) => ("stale", None),
        };
        debug!(
            delivery = delivery.id,
            plugin = delivery.plugin,
            receiver = delivery.target,
            attempt = number,
            result,
            "delivery"
        );
        let (name, left) = {
            let mut receivers = self.shared.receivers();
            (
                receivers.end(&receiver, &delivery.id, seen, dead, Instant::now()),
                receivers.calls(&receiver),
            )
        };
        let plugin = receiver.plugin;
        metrics::counter!("wharf_deliveries_total", "plugin" => plugin.clone(), "target" => name.clone(), "result" => result).increment(1);
        metrics::histogram!("wharf_delivery_seconds", "plugin" => plugin, "target" => name)
            .record(at.elapsed().as_secs_f64());
        self.tried.push((delivery.id, update));
        // The next deliveries need not wait until this outcome is on the disk, only until half of
        // the receiver's calls are free: a query costs the same for one as for several. With many
        // unrecorded outcomes they do wait, because each query reads past those.
        if self.more
            && left <= self.shared.delivery.per_receiver / 2
            && self.tried.len() + self.batch.len() < PAST
        {
            self.look_at = Instant::now();
        }
    }

    fn noted(&mut self, noted: Result<(), JoinError>) {
        let batch = std::mem::take(&mut self.batch);
        if noted.is_err() {
            // A delivery is not tried again before its outcome is recorded, because the receiver
            // would get it twice.
            error!(
                deliveries = batch.len(),
                "recording the outcomes of deliveries panicked; it is retried"
            );
            self.noting.spawn(note(
                Arc::clone(&self.shared),
                Arc::clone(&batch),
                FIRST_PAUSE,
            ));
            self.batch = batch;
            return;
        }
        let now = Timestamp::now();
        for (id, update) in batch.iter() {
            self.busy.remove(id);
            if let Update::Retry(at, _) = update {
                self.look_at = self
                    .look_at
                    .min(Instant::now() + Duration::from_millis(at.since(now)));
            }
        }
        if self.more {
            self.look_at = Instant::now();
        }
    }
}

/// Records the outcomes of attempts, and retries until that succeeds: a delivery without a recorded
/// outcome would be made again.
async fn note(shared: Arc<Shared>, batch: Arc<Vec<(String, Update)>>, pause: Duration) {
    sleep(pause).await;
    let mut told = false;
    while let Err(error) = shared.store.attempted(&batch).await {
        if !std::mem::replace(&mut told, true) {
            warn!(deliveries = batch.len(), %error, "the outcomes of deliveries cannot be recorded; they are kept in memory until they can");
        }
        sleep(FIRST_PAUSE).await;
    }
}

/// The waiting deliveries of one receiver.
#[derive(Debug, Default)]
struct Line {
    /// Deliveries that could be begun now, the next one last.
    due: Vec<Delivery>,
    /// Whether there may be more than was read.
    cut: bool,
}

/// The time until a delivery is due. The first attempt waits for nothing, and no other one longer
/// than `longest`: a later time was written before the clock was set back.
fn pause(row: &Delivery, now: Timestamp, longest: Duration) -> Duration {
    let pause = Duration::from_millis(row.next_at.since(now));
    if row.attempt == 0 || pause > longest {
        Duration::ZERO
    } else {
        pause
    }
}

/// The waiting deliveries, by receiver.
#[derive(Debug)]
struct Lines {
    lines: BTreeMap<ReceiverId, Line>,
    look_at: Instant,
}

impl Lines {
    /// Groups `rows` by receiver. They are sorted by due time, with at most `each` per receiver.
    /// `longest` is the longest pause between two attempts.
    fn of(
        rows: Vec<Delivery>,
        each: usize,
        now: Timestamp,
        longest: Duration,
        is_busy: impl Fn(&str) -> bool,
    ) -> Self {
        let begin = Instant::now();
        let mut read = BTreeMap::<ReceiverId, usize>::new();
        let mut all = Self {
            lines: BTreeMap::new(),
            look_at: begin + IDLE,
        };
        for row in rows {
            let id = ReceiverId {
                plugin: row.plugin.clone(),
                target: row.target.clone(),
            };
            *read.entry(id.clone()).or_default() += 1;
            if is_busy(&row.id) {
                continue;
            }
            let pause = pause(&row, now, longest);
            if pause > Duration::ZERO {
                all.look_at = all.look_at.min(begin + pause);
            } else {
                all.lines.entry(id).or_default().due.push(row);
            }
        }
        for (id, line) in &mut all.lines {
            line.due.reverse();
            line.cut = read.get(id).is_some_and(|read| *read >= each);
        }
        all
    }

    /// Removes and returns the deliveries to begin now. The receiver with the fewest calls comes
    /// first, and among equals the one that was called least recently.
    fn choose(&mut self, shared: &Shared) -> Vec<(ReceiverId, Delivery)> {
        let (mut chosen, now, receivers) = (Vec::new(), Instant::now(), shared.receivers());
        let (mut places, more_at) = receivers.places(now);
        let mut rooms = Vec::with_capacity(self.lines.len());
        for (id, line) in &mut self.lines {
            let room = receivers.room(id, now);
            if let Some(at) = room.more_at {
                self.look_at = self.look_at.min(at);
            }
            if receivers.is_open(id) {
                // While the circuit breaker is open, the single trial call uses the delivery with
                // the fewest attempts, because that says more about the receiver.
                line.due
                    .sort_by_key(|delivery| std::cmp::Reverse(delivery.attempt));
            }
            rooms.push((room.order, room.calls, line, id));
        }
        drop(receivers);
        while places > 0 {
            let next = rooms
                .iter_mut()
                .filter(|(_, calls, line, _)| *calls > 0 && !line.due.is_empty())
                .min_by_key(|(order, ..)| *order);
            let Some((order, calls, line, id)) = next else {
                break;
            };
            let Some(delivery) = line.due.pop() else {
                break;
            };
            chosen.push(((*id).clone(), delivery));
            (places, *calls, order.0) = (places - 1, *calls - 1, order.0 + 1);
        }
        if places == 0
            && let Some(at) = more_at.or(Some(now + FIRST_PAUSE))
        {
            self.look_at = self.look_at.min(at);
        }
        chosen
    }

    /// Whether more is due than was removed.
    fn more(&self) -> bool {
        self.lines
            .values()
            .any(|line| line.cut || !line.due.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeliveryState;

    #[test]
    fn what_waits_since_before_the_clock_was_set_back_is_due() {
        const HOUR: u64 = 3_600_000;
        let now = Timestamp::now();
        let waits = |attempt, millis| {
            let row = Delivery {
                id: "dlv_1".into(),
                event_seq: 1,
                plugin: "teller".into(),
                target: "shop".into(),
                state: DeliveryState::Pending,
                attempt,
                next_at: now.plus_millis(millis),
                reason: None,
                made_at: now,
                updated_at: now,
            };
            pause(&row, now, Duration::from_millis(HOUR))
        };
        assert_eq!(
            waits(0, 1),
            Duration::ZERO,
            "a first attempt waits for nothing"
        );
        assert_eq!(waits(0, 24 * HOUR), Duration::ZERO);
        assert_eq!(waits(3, HOUR), Duration::from_millis(HOUR));
        assert_eq!(waits(3, HOUR + 1), Duration::ZERO, "no pause is as long");
        assert_eq!(waits(3, 0), Duration::ZERO);
    }
}
