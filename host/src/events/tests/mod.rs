//! Routing and delivery with a real database and real receivers; the notifier is the one of this
//! file.

mod circuit;
mod faults;
mod letters;
mod receiver;
mod routing;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{task::JoinHandle, time::Instant};

use self::receiver::Receiver;
use super::*;
use crate::plugins::{
    AttemptResult, CallFailure, FailureKind, HttpGrant, Judgement, NotifyRequest, Subject,
    TargetName,
};

/// A notifier with configurable targets and failures.
#[derive(Debug, Default)]
struct Teller {
    /// The targets with their URLs.
    targets: Mutex<Vec<(String, String)>>,
    /// Targets for which `request` panics.
    panics: Mutex<Vec<String>>,
    /// How often `route` still fails, by kind of event.
    deaf: Mutex<HashMap<String, u32>>,
    /// How often `route` still fails for any event.
    fails: Mutex<u32>,
    /// The attempts that it saw, by kind of event (`route`) or id of the delivery (`request`).
    asked: Mutex<Vec<(String, u32)>>,
}

fn of<T>(all: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Teller {
    fn to(targets: &[(&str, &str)]) -> Arc<Self> {
        let targets = targets
            .iter()
            .map(|(name, url)| ((*name).to_owned(), (*url).to_owned()))
            .collect();
        Arc::new(Self {
            targets: Mutex::new(targets),
            ..Self::default()
        })
    }

    fn failure(kind: FailureKind) -> CallFailure {
        CallFailure {
            plugin: "teller".into(),
            kind,
            detail: "as the test wants".into(),
        }
    }
}

#[async_trait]
impl Notifiers for Teller {
    fn round(self: Arc<Self>) -> Arc<dyn Notifiers> {
        self
    }

    fn interested(&self, _: &Envelope) -> Vec<String> {
        vec!["teller".into()]
    }

    async fn route(
        &self,
        _: &str,
        subject: &Subject,
        envelope: &Envelope,
    ) -> Result<Vec<TargetName>, CallFailure> {
        of(&self.asked).push((envelope.event.kind().to_owned(), subject.attempt));
        let mut fails = of(&self.fails);
        if *fails > 0 {
            *fails -= 1;
            return Err(Self::failure(FailureKind::TimedOut));
        }
        drop(fails);
        if let Some(left) = of(&self.deaf).get_mut(envelope.event.kind())
            && *left > 0
        {
            *left -= 1;
            return Err(Self::failure(FailureKind::Trapped));
        }
        Ok(of(&self.targets)
            .iter()
            .map(|(name, _)| name.parse().expect("a name"))
            .collect())
    }

    async fn request(
        &self,
        _: &str,
        subject: &Subject,
        target: &str,
        envelope: &Envelope,
    ) -> Result<NotifyRequest, CallFailure> {
        of(&self.asked).push((subject.id.clone(), subject.attempt));
        assert!(
            !of(&self.panics).iter().any(|name| name == target),
            "as the test wants"
        );
        let url = of(&self.targets)
            .iter()
            .find(|(name, _)| name == target)
            .map(|(_, url)| url.clone());
        let url = url.ok_or_else(|| Self::failure(FailureKind::Failed))?;
        let body = match &envelope.event {
            Event::Qr { code, .. } => format!("qr {code}"),
            other => other.kind().to_owned(),
        };
        let allowed = HttpGrant {
            origins: vec![url.clone()],
            private: true,
        };
        Ok(NotifyRequest {
            method: "POST".into(),
            url,
            headers: vec![],
            body: body.into_bytes(),
            timeout: None,
            allowed,
        })
    }

    async fn judge(
        &self,
        _: &str,
        _: &Subject,
        _: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, CallFailure> {
        Ok(match attempt {
            AttemptResult::Answered { status: 200, .. } => Judgement::Delivered,
            AttemptResult::Answered { status: 410, .. } => Judgement::GiveUp("gone".into()),
            // Without a pause, because the host enforces its own.
            _ => Judgement::RetryAfter(Duration::ZERO),
        })
    }
}

/// A running event log with its store and notifier.
struct House {
    events: Events,
    store: Store,
    teller: Arc<Teller>,
    tasks: Vec<JoinHandle<()>>,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl House {
    async fn of(teller: Arc<Teller>, settings: config::Delivery) -> Self {
        Self::patient(teller, settings, Duration::from_secs(5)).await
    }

    /// With a database that waits for a lock no longer than `patience`.
    async fn patient(teller: Arc<Teller>, settings: config::Delivery, patience: Duration) -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open_patient(&path, patience).await.expect("store");
        let events = Events::new(store.clone(), Arc::<Teller>::clone(&teller), settings);
        let tasks = events.start();
        Self {
            events,
            store,
            teller,
            tasks,
            path,
            _dir: dir,
        }
    }

    /// Appends an event of this kind.
    async fn tell(&self, kind: &str) {
        let event = Event::Other {
            kind: kind.into(),
            json: "{}".into(),
        };
        self.events
            .append(&session(), None, event)
            .await
            .expect("appended");
    }

    async fn state(&self, state: DeliveryState) -> Vec<Delivery> {
        let filter = DeliveryFilter {
            state: Some(state),
            ..DeliveryFilter::default()
        };
        let (letters, _) = self
            .events
            .deliveries(&filter, None, 200)
            .await
            .expect("listed");
        letters.into_iter().map(|letter| letter.delivery).collect()
    }

    async fn until_state(&self, state: DeliveryState, number: usize) -> Vec<Delivery> {
        until("deliveries in a state", async || {
            Some(self.state(state).await).filter(|rows| rows.len() == number)
        })
        .await
    }
}

fn session() -> ClientId {
    "shop".parse().expect("id")
}

fn settings() -> config::Delivery {
    config::Delivery::default()
}

/// Asks every 10 ms, for at most 20 s.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
