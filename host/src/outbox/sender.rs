//! One task per session: takes its rows in order and puts them into the page, finds out what became of those before.
//!
//! A chat's rows go one after the other, each when the page has stored the one before, so they keep their order; some
//! chats go at a time, and their rows are begun in one commit. Acknowledgements are not waited for here. A row that has
//! to wait, or that the page may or may not have, holds back those behind it in the same chat, and no other chat.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tracing::{debug, error, info, warn};

use super::{
    Inner,
    dispatch::{Judged, Resolved},
    going::{Going, Place},
    pace::{self, Turn},
    previews::Previews,
};
use crate::{
    config,
    model::{ClientId, FailureCode, MessageId, OutboundMessage, Recipient, Timestamp},
    store::{Begin, Begun, Finish, OutboxRow, RowState, Sending, Step, StoreError},
    tasks::Trouble,
    whatsapp::{PageError, PageSend, PageSending, Stored},
};

/// A look at the table at least so often: rows become due, acknowledgements stay away.
const TICK: Duration = Duration::from_secs(1);
/// A page that is being loaded is asked again after so long, unless it is replaced before.
const BOOT_PAUSE: u64 = 500;
/// Rows of the line read at a time. An interactive message waits for so many bulk ones at the most.
const PASS: u32 = 16;
/// Chats that are sent to at a time. The page has one thread: more would only wait in it.
const CHATS: usize = 4;
/// Sends to strangers that come back into the line at a time, when any number may go.
const UNPARKED: u32 = 500;
/// No row is told to wait longer. One that seems to be was written before the clock went back.
const LONGEST_PAUSE: u64 = 60_000;
const BEGUN: &[RowState] = &[RowState::Sending, RowState::Unknown];

/// What a look at the line came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// Something was done; there may be more.
    Went,
    Nothing,
    /// Pacing lets the next one go then.
    Until(Instant),
    /// Somebody else has taken over the sending of this session.
    LeaseLost,
}

/// What giving some chats' rows to the page came to.
#[derive(Default)]
struct Given {
    /// The lines of chats that have to wait, or of which one may be in the page; nothing in them may pass.
    held: Vec<Recipient>,
    /// Something left the line.
    went: bool,
}

/// What of a chat may be sent now.
struct Prepared {
    /// Two, when the look-up has just found out whose line it is.
    lines: Vec<Recipient>,
    /// There is more that has to wait.
    waits: bool,
    /// One of its rows has ended.
    ended: bool,
    rows: Vec<Ready>,
}

/// A row that the page is given now.
struct Beginning {
    row: OutboxRow,
    send: PageSend,
    _place: Place,
}

/// A row that may be sent now, in the form that it goes in.
struct Ready {
    row: OutboxRow,
    judged: Vec<Step>,
    send: PageSend,
    place: Place,
}

/// A message in the form in which the page takes it.
pub(super) fn page_send(id: &MessageId, message: &OutboundMessage) -> PageSend {
    PageSend { id: id.clone(), chat: message.to.chat.clone(), content: message.content.clone(), reply_to: message.reply_to.clone() }
}

/// Whether a row waits for its next try.
fn pauses(row: &OutboxRow) -> bool {
    let left = row.retry_at.since(Timestamp::now());
    left > 0 && left <= LONGEST_PAUSE
}

pub(super) struct Sender {
    pub(super) inner: Arc<Inner>,
    pub(super) client: ClientId,
    pacing: config::Pacing,
    pub(super) token: i64,
    /// The line was looked at and was not empty: what is in it may wait for one on the short way.
    pub(super) line_waits: AtomicBool,
    previews: Previews,
    /// What the page is being given from the line, or asked about.
    pub(super) going: Going,
    /// Held while the line is read, and while a row is put back into it: one that came back in between would be passed by
    /// those behind it.
    reading: Mutex<()>,
    /// See [`Sender::unsettled`].
    pub(super) unsettled: std::sync::Mutex<HashSet<Recipient>>,
    lease_lost: AtomicBool,
}

pub(super) async fn run(inner: Arc<Inner>, client: ClientId, mut pages: watch::Receiver<Option<Arc<dyn PageSending>>>) {
    let mut sender = Sender::lease(Arc::clone(&inner), client.clone()).await;
    let (mut late, mut stopped) = (Trouble::default(), Trouble::default());
    loop {
        if sender.lease_lost.load(Ordering::Acquire) {
            metrics::counter!("wharf_leases_lost_total", "session" => client.to_string()).increment(1);
            error!(%client, "somebody else has taken over the sending of this session in the database; it is taken back");
            // Whoever it is does the same; two that do it all the time would do nothing else.
            sleep(TICK).await;
            sender = Sender::lease(Arc::clone(&inner), client.clone()).await;
        }
        let page = pages.borrow_and_update().clone();
        match page {
            None => {
                tokio::select! {
                    changed = pages.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    () = sleep(TICK) => {
                        if let Err(error) = sender.clock().await {
                            if late.is_new(&error) {
                                error!(client = %sender.client, %error, "sends whose deadline is over cannot be ended");
                            }
                        } else if late.is_over() {
                            info!(client = %sender.client, "sends whose deadline is over are ended again");
                        }
                    }
                }
            }
            Some(page) => {
                let gone = async {
                    // An error: the session has ended.
                    let _ = pages.changed().await;
                };
                let began = Instant::now();
                tokio::select! {
                    result = sender.work(&page) => {
                        if let Err(error) = result {
                            // After work that went well for so long it is another trouble.
                            if began.elapsed() > 10 * TICK {
                                stopped.is_over();
                            }
                            if stopped.is_new(&error) {
                                error!(client = %sender.client, %error, "the outbox stops; it tries to go on every moment");
                            }
                            sleep(TICK).await;
                        }
                    }
                    () = gone => {}
                }
                if pages.has_changed().is_err() {
                    return;
                }
            }
        }
    }
}

impl Sender {
    /// Takes over the sending of a session.
    pub(super) async fn lease(inner: Arc<Inner>, client: ClientId) -> Self {
        let mut trouble = Trouble::default();
        loop {
            match inner.store.lease(&client).await {
                Ok(token) => {
                    let pacing = inner.pacing(&client).clone();
                    return Self {
                        inner,
                        client,
                        pacing,
                        token,
                        line_waits: AtomicBool::new(false),
                        going: Going::default(),
                        reading: Mutex::default(),
                        unsettled: std::sync::Mutex::default(),
                        lease_lost: AtomicBool::new(false),
                        previews: Previews::default(),
                    };
                }
                Err(error) if trouble.is_new(&error) => {
                    error!(%client, %error, "the lease of the session's outbox cannot be taken; it is tried until it can")
                }
                Err(_) => {}
            }
            sleep(TICK).await;
        }
    }

    /// Works with one page until it is replaced. Being dropped in the middle is as good as a crash: the rows tell.
    async fn work(&self, page: &Arc<dyn PageSending>) -> Result<(), StoreError> {
        self.previews.forget();
        self.unsettle().await?;
        let settled = Notify::new();
        let short_way = async {
            settled.notified().await;
            if self.pacing.counts() {
                return std::future::pending().await;
            }
            self.short_way(page, self.lane()).await
        };
        tokio::select! {
            result = self.work_off(page) => result,
            result = short_way => result,
            result = self.find_out(page, &settled) => result,
        }
    }

    /// Works off the line, and what the clock brings, until the lease is lost.
    async fn work_off(&self, page: &Arc<dyn PageSending>) -> Result<(), StoreError> {
        let (mut look, mut clock) = (Instant::now() + TICK, Instant::now());
        loop {
            let accepted = self.inner.accepted.notified();
            if Instant::now() >= clock {
                self.clock().await?;
                clock = Instant::now() + TICK;
            }
            let mut passed = Passed::Went;
            while passed == Passed::Went {
                passed = self.pass(page).await?;
            }
            let turn = match passed {
                Passed::LeaseLost => return Ok(()),
                Passed::Until(turn) => turn.min(look),
                Passed::Went | Passed::Nothing => look,
            };
            tokio::select! {
                () = accepted => {}
                // Not `sleep`: accepts may come so often that it would never end.
                () = sleep_until(turn) => {
                    if Instant::now() >= look {
                        look = Instant::now() + TICK;
                    }
                }
            }
        }
    }

    /// What the clock alone brings about: times that have come, deadlines that are over.
    pub(super) async fn clock(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.inner.store, Timestamp::now());
        if store.has_ripe(now).await? {
            store.release(now).await?;
        }
        for row in store.expired(&self.client, now).await? {
            self.expire(&row).await?;
        }
        self.strangers_again(now).await
    }

    /// Lets those to strangers back into the line that may go now.
    async fn strangers_again(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let mut sending = store.sending(&self.client).await?;
        if sending.restricted {
            self.inner.lift(&self.client, None, |restriction| restriction.until <= now).await?;
            store.lift_unknown(&self.client, Some(now)).await?;
            sending = store.sending(&self.client).await?;
        }
        if sending.parked && pace::strangers(&self.pacing, store, &self.client, sending).await? {
            store.unpark(&self.client, if self.pacing.cold_per_day > 0 { PASS } else { UNPARKED }).await?;
        }
        Ok(())
    }

    async fn expire(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let at = row.expires_at.map(Timestamp::rfc3339).unwrap_or_default();
        let finish = Finish::NotSent(FailureCode::Expired, format!("not begun by its expiresAt, {at}"));
        self.inner.finish(row, &[RowState::Queued], finish, vec![]).await.map(drop)
    }

    /// Sends the next rows that nothing holds back.
    pub(super) async fn pass(&self, page: &Arc<dyn PageSending>) -> Result<Passed, StoreError> {
        let (store, pacing) = (&self.inner.store, &self.pacing);
        let reading = self.reading.lock().await;
        let mut rows = store.line(&self.client, None, PASS).await?;
        if rows.is_empty() {
            return Ok(Passed::Nothing);
        }
        // Before the look: who ends after it sees this.
        self.line_waits.store(true, Ordering::Release);
        let (sending, mut waiting) = store.look(&self.client).await?;
        drop(reading);
        waiting.extend(self.unsettled().iter().cloned());
        if sending.paused_at.is_some() {
            return Ok(Passed::Nothing);
        }
        if pacing.counts()
            && let Some(turn) = self.turn(sending).await?
        {
            return Ok(Passed::Until(turn));
        }
        let mut strangers_may = pace::strangers(pacing, store, &self.client, sending).await?;
        let mut went = false;
        loop {
            let Some(last) = rows.last() else { return Ok(Passed::Nothing) };
            let after = Some((last.priority, last.seq));
            let all = rows.len() < usize::try_from(PASS).unwrap_or(usize::MAX);
            let told_apart = pacing.counts() || sending.restricted || sending.parked;
            let strangers = if told_apart { self.strangers(page, sending, &rows).await? } else { HashSet::new() };
            let first = if sending.parked && !strangers.is_empty() { store.first_parked(&self.client, &strangers).await? } else { HashMap::new() };
            let mut together: Vec<Vec<OutboxRow>> = Vec::new();
            let mut parked = Vec::new();
            for row in rows {
                let cold = strangers.contains(&row.line);
                // Behind one that is parked it would come before it.
                let behind = first.get(&(row.line.clone(), row.priority)).is_some_and(|seq| *seq < row.seq);
                if cold && (!strangers_may || behind) {
                    waiting.insert(row.line.clone());
                    parked.push(row.seq);
                    continue;
                }
                if waiting.contains(&row.line) {
                    continue;
                }
                if pauses(&row) {
                    waiting.insert(row.line.clone());
                    continue;
                }
                if !pacing.counts() {
                    match together.iter_mut().find(|chat| chat.first().is_some_and(|first| first.line == row.line)) {
                        Some(chat) => chat.push(row),
                        None => together.push(vec![row]),
                    }
                    continue;
                }
                if let Some(turn) = self.turn(sending).await? {
                    return Ok(Passed::Until(turn));
                }
                let given = self.send(page, vec![vec![row]], Some(cold)).await?;
                went |= given.went;
                waiting.extend(given.held);
                if self.lease_lost.load(Ordering::Acquire) {
                    return Ok(Passed::LeaseLost);
                }
                strangers_may = strangers_may && (!cold || pace::strangers(pacing, store, &self.client, sending).await?);
            }
            if !parked.is_empty() {
                store.park(&self.client, parked, if sending.restricted { "restricted" } else { "cold_budget" }).await?;
            }
            let given = self.send(page, together, None).await?;
            went |= given.went;
            waiting.extend(given.held);
            if self.lease_lost.load(Ordering::Acquire) {
                return Ok(Passed::LeaseLost);
            }
            if all {
                // Who comes meanwhile is told of.
                return Ok(Passed::Nothing);
            }
            if went {
                return Ok(Passed::Went);
            }
            rows = store.line(&self.client, after, PASS).await?;
        }
    }

    /// When the pace lets the next one go; none: now.
    async fn turn(&self, sending: Sending) -> Result<Option<Instant>, StoreError> {
        let now = Timestamp::now();
        Ok(match pace::next(&self.pacing, &self.inner.store, &self.client, sending, now).await? {
            Turn::Now => None,
            Turn::At(at) => Some(Instant::now() + pace::left(at, now)),
        })
    }

    /// Who of the recipients is a stranger. A chat that is older than the gateway is known to the page alone.
    async fn strangers(&self, page: &Arc<dyn PageSending>, sending: Sending, rows: &[OutboxRow]) -> Result<HashSet<Recipient>, StoreError> {
        let store = &self.inner.store;
        let mut strangers = HashSet::new();
        for row in rows {
            if !strangers.contains(&row.line) && !store.knows(&self.client, &row.line).await? {
                strangers.insert(row.line.clone());
            }
        }
        if strangers.is_empty() || !(sending.restricted || self.pacing.cold_per_day > 0) {
            return Ok(strangers);
        }
        let asked: Vec<Recipient> = strangers.iter().cloned().collect();
        // Who cannot be asked about stays a stranger.
        let known = page.established(&asked).await.unwrap_or_else(|error| {
            debug!(client = %self.client, %error, "the page cannot say whom it has a chat with");
            vec![]
        });
        if !known.is_empty() {
            strangers.retain(|stranger| !known.contains(stranger));
            store.know(&self.client, known).await?;
        }
        Ok(strangers)
    }

    /// Sends the rows of some chats, each chat's in order.
    async fn send(&self, page: &Arc<dyn PageSending>, chats: Vec<Vec<OutboxRow>>, counted: Option<bool>) -> Result<Given, StoreError> {
        let preparing = stream::iter(chats.into_iter().map(|rows| self.prepare(page, rows))).buffered(CHATS);
        let mut chats: Vec<Prepared> = preparing.try_collect().await?;
        // Two that turn out to be one go in the order of acceptance: the later one with the next look at the line.
        let mut lines = HashSet::new();
        for chat in &mut chats {
            if chat.lines.iter().any(|line| lines.contains(line)) {
                chat.waits = true;
                chat.rows.clear();
            }
            lines.extend(chat.lines.iter().cloned());
        }
        if counted.is_some() {
            self.type_first(page, &chats).await;
        }
        // All at once, so that they share a flush to the disk.
        let beginning = chats.into_iter().map(|chat| async move {
            let prepared = chat.rows.len();
            let begun = join_all(chat.rows.into_iter().map(|ready| self.begin(ready, counted))).await;
            let rows = begun.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
            // One that was taken out of the line meanwhile has left it as well.
            let left = chat.ended || prepared > 0;
            Ok::<_, StoreError>((chat.lines, chat.waits, left, rows))
        });
        let begun = join_all(beginning).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let delivering = stream::iter(begun.into_iter().map(|(lines, waits, left, rows)| async move {
            let done = self.deliver(page, rows).await?;
            Ok::<_, StoreError>((lines, waits || !done, left))
        }));
        let chats: Vec<(Vec<Recipient>, bool, bool)> = delivering.buffered(CHATS).try_collect().await?;
        let mut given = Given::default();
        for (lines, held, left) in chats {
            given.went |= left && !held;
            given.held.extend(lines.into_iter().filter(|_| held));
        }
        given.went &= !self.lease_lost.load(Ordering::Acquire);
        Ok(given)
    }

    /// Shows the recipients that somebody types, as long as it would take. It is a courtesy: no send fails by it.
    async fn type_first(&self, page: &Arc<dyn PageSending>, chats: &[Prepared]) {
        for Ready { row, send, .. } in chats.iter().flat_map(|chat| &chat.rows) {
            let characters = row.message.content.body().map_or(0, |body| body.chars().count());
            let how_long = pace::typing(&self.pacing, characters);
            if how_long.is_zero() {
                continue;
            }
            if let Err(error) = page.typing(&send.chat, how_long).await {
                debug!(client = %self.client, id = %row.id, %error, "nobody was shown typing");
            }
        }
    }

    /// Finds out what of a chat's rows may be sent now, and where to.
    async fn prepare(&self, page: &Arc<dyn PageSending>, rows: Vec<OutboxRow>) -> Result<Prepared, StoreError> {
        let line = rows.first().map(|row| row.line.clone()).ok_or_else(|| StoreError::Corrupt("a chat without rows".into()))?;
        let mut prepared = Prepared { lines: vec![line], waits: false, ended: false, rows: Vec::with_capacity(rows.len()) };
        for row in rows {
            // Whoever asks the page about it just now will see that it is in the line, and let it go.
            let Some(place) = self.going.enter(&row.id, usize::MAX) else {
                prepared.waits = true;
                break;
            };
            if row.expires_at.is_some_and(|at| at <= Timestamp::now()) {
                self.expire(&row).await?;
                prepared.ended = true;
                continue;
            }
            let address = match self.resolve(page, &row).await? {
                Resolved::Address(address) => address,
                Resolved::Ended => {
                    prepared.ended = true;
                    continue;
                }
                Resolved::Later => {
                    prepared.waits = true;
                    break;
                }
            };
            prepared.lines.extend(address.number().map(Recipient::Number).filter(|line| !prepared.lines.contains(line)));
            let (message, judged) = match self.still_allowed(&row, address).await? {
                Judged::Allowed(message, judged) => (*message, judged),
                Judged::Ended => {
                    prepared.ended = true;
                    continue;
                }
                Judged::Later => {
                    prepared.waits = true;
                    break;
                }
            };
            if self.previews.holds(&self.inner, page, &row, &message) {
                prepared.waits = true;
                break;
            }
            let send = page_send(&row.message_id, &message);
            prepared.rows.push(Ready { row: OutboxRow { message, ..row }, judged, send, place });
        }
        Ok(prepared)
    }

    /// None: it is not in the line any more, or somebody else sends for this session now.
    async fn begin(&self, ready: Ready, counted: Option<bool>) -> Result<Option<Beginning>, StoreError> {
        let Ready { row, judged, send, place } = ready;
        match self.inner.store.begin_send(&row, &row.message, judged, Begin { token: self.token, counted }).await? {
            Begun::Yes => {
                let row = OutboxRow { chat: Some(send.chat.clone()), state: RowState::Sending, ..row };
                Ok(Some(Beginning { row, send, _place: place }))
            }
            Begun::NotInLine => Ok(None),
            Begun::LeaseLost => {
                self.lease_lost.store(true, Ordering::Release);
                Ok(None)
            }
        }
    }

    /// Gives the page what was begun in a chat, one after the other. False: one of them has to wait, or the page may have
    /// it; those behind it are in the line again.
    async fn deliver(&self, page: &Arc<dyn PageSending>, rows: Vec<Beginning>) -> Result<bool, StoreError> {
        let mut held = false;
        for Beginning { row, send, _place } in rows {
            if held {
                self.put_back(&row, Timestamp(0), "it waits for the one before it in this chat").await?;
            } else {
                held = !self.give(page, &row, &send).await?;
            }
        }
        Ok(!held)
    }

    /// Puts a row back into the line, where it holds its place; tried again at `retry_at`.
    pub(super) async fn put_back(&self, row: &OutboxRow, retry_at: Timestamp, reason: &str) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        self.inner.store.requeue(&row.id, retry_at, reason).await
    }

    async fn give(&self, page: &Arc<dyn PageSending>, row: &OutboxRow, send: &PageSend) -> Result<bool, StoreError> {
        self.given(page, row, page.send(send).await).await
    }

    /// What became of it.
    pub(super) async fn given(&self, page: &Arc<dyn PageSending>, row: &OutboxRow, answer: Result<Stored, PageError>) -> Result<bool, StoreError> {
        match answer {
            Ok(stored) => {
                self.inner.waiters.stored(&row.id, &stored);
                self.inner.store.stored_as(&row.id, &stored.address, &stored.key).await?;
                self.inner.waiters.wake(&row.id);
                if stored.duplicate {
                    self.reconcile(page, row).await?;
                }
                Ok(true)
            }
            // Nothing was begun in the page.
            Err(error @ (PageError::Refused { .. } | PageError::ContractBroken { .. } | PageError::QuoteNotFound { .. } | PageError::NoSuchChat)) => {
                let code = match error {
                    PageError::QuoteNotFound { .. } => FailureCode::QuoteNotFound,
                    PageError::NoSuchChat => FailureCode::ChatNotFound,
                    _ => FailureCode::PageError,
                };
                self.inner.finish(row, BEGUN, Finish::NotSent(code, error.to_string()), vec![]).await?;
                Ok(true)
            }
            Err(error @ PageError::Booting { .. }) => {
                self.put_back(row, Timestamp::now().plus_millis(BOOT_PAUSE), &error.to_string()).await?;
                Ok(false)
            }
            Err(error) => {
                warn!(client = %self.client, id = %row.id, %error, "a send broke off; the page will be asked for its id");
                Ok(false)
            }
        }
    }
}
