//! A journal in memory that fails where the test wants it to.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    model::{
        Account, ClientId, Event, Restriction, RestrictionKind, SessionState, Timestamp, Transition,
    },
    session::{Arrival, HealthNote, Journal, Unread},
    whatsapp::{SendNews, TimeLock},
};

#[derive(Debug)]
pub(super) struct Notes {
    /// Ids of messages and of sends, in the order in which they were recorded.
    pub(super) noted: Mutex<Vec<String>>,
    /// Messages are recorded while a permit is available.
    pub(super) turns: Semaphore,
    pub(super) faults: Mutex<Vec<serde_json::Value>>,
    pub(super) entered: Mutex<Vec<SessionState>>,
    pub(super) codes: Mutex<Vec<u32>>,
    pub(super) pairing_codes: Mutex<Vec<u32>>,
    pub(super) health: Mutex<Vec<bool>>,
    pub(super) stuck: AtomicU64,
    pub(super) told: Mutex<Option<Timestamp>>,
    pub(super) full: AtomicBool,
    pub(super) accounts: Mutex<Vec<Option<Account>>>,
    pub(super) restrictions: Mutex<Vec<Restriction>>,
    pub(super) passkey: Mutex<Vec<String>>,
    /// Panics at the next QR.
    pub(super) panics: AtomicBool,
    /// Panics at the next transition.
    pub(super) refuses: AtomicBool,
    /// Cannot read the time up to which messages were recorded.
    pub(super) unreadable: AtomicBool,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(1),
            noted: Mutex::default(),
            faults: Mutex::default(),
            entered: Mutex::default(),
            codes: Mutex::default(),
            pairing_codes: Mutex::default(),
            health: Mutex::default(),
            stuck: AtomicU64::default(),
            told: Mutex::default(),
            full: AtomicBool::default(),
            restrictions: Mutex::default(),
            passkey: Mutex::default(),
            accounts: Mutex::default(),
            panics: AtomicBool::default(),
            refuses: AtomicBool::default(),
            unreadable: AtomicBool::default(),
        }
    }
}

#[async_trait]
impl Journal for Notes {
    async fn entered(&self, transition: &Transition, _: Option<&Account>, _: bool) {
        assert!(
            !self.refuses.swap(false, Ordering::Relaxed),
            "of its own free will"
        );
        self.entered.lock().expect("lock").push(transition.after);
    }
    async fn qr(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        assert!(
            !self.panics.swap(false, Ordering::Relaxed),
            "of its own free will"
        );
        self.codes.lock().expect("lock").push(attempt);
    }
    async fn pairing_code(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        self.pairing_codes.lock().expect("lock").push(attempt);
    }
    async fn report(&self, _: &ClientId, _: Option<&Account>, event: Event) {
        let Event::Other { kind, json } = event else {
            panic!("no report: {event:?}")
        };
        let payload: serde_json::Value = serde_json::from_str(&json).expect("an object");
        match kind.as_str() {
            "session.passkey" => self
                .passkey
                .lock()
                .expect("lock")
                .push(payload["stage"].as_str().unwrap_or_default().to_owned()),
            "bridge.fault" => self.faults.lock().expect("lock").push(payload),
            _ => assert_eq!(kind, "session.notices"),
        }
    }
    async fn messages(&self, _: &ClientId, _: Option<&Account>, messages: Vec<Arrival>) -> bool {
        let _turn = self.turns.acquire().await;
        self.noted
            .lock()
            .expect("lock")
            .extend(messages.into_iter().map(|arrival| arrival.message.id.0));
        !self.full.load(Ordering::Relaxed)
    }
    async fn told_until(&self, _: &ClientId, _: &Account) -> Result<Option<Timestamp>, Unread> {
        if self.unreadable.load(Ordering::Relaxed) {
            Err(Unread)
        } else {
            Ok(*self.told.lock().expect("lock"))
        }
    }
    async fn all_told(&self, _: &ClientId, _: &Account, at: Timestamp) {
        *self.told.lock().expect("lock") = Some(at);
    }
    async fn send_news(&self, _: &ClientId, _: Option<&Account>, news: Vec<SendNews>) {
        self.noted
            .lock()
            .expect("lock")
            .extend(news.into_iter().map(|news| news.id.0));
    }
    fn outcome_awaited(&self) -> bool {
        true
    }
    async fn time_lock(&self, _: &ClientId, _: Option<&Account>, lock: Option<TimeLock>) {
        let restriction = Restriction {
            kind: RestrictionKind::ReachOutTimeLock,
            since: Timestamp(0),
            until: Timestamp(86_400_000),
        };
        *self.restrictions.lock().expect("lock") = if lock.is_some() {
            vec![restriction]
        } else {
            vec![]
        };
    }
    async fn restrictions(&self, _: &ClientId) -> Vec<Restriction> {
        self.restrictions.lock().expect("lock").clone()
    }
    async fn account(&self, _: &ClientId, account: Option<&Account>) -> bool {
        self.accounts.lock().expect("lock").push(account.cloned());
        !self.full.load(Ordering::Relaxed)
    }
    async fn held(&self, _: &ClientId) -> u64 {
        0
    }
    async fn unacknowledged(&self, _: &ClientId, _: Duration) -> u64 {
        self.stuck.load(Ordering::Relaxed)
    }
    async fn health(&self, _: &ClientId, note: &HealthNote) {
        self.health.lock().expect("lock").push(note.ok);
    }
}
