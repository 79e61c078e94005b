//! The outbox against a fake page: [`Gateway`] is a gateway of one session, which can crash and
//! start again.

mod answers;
mod bulk;
mod fake;
mod held;
mod in_doubt;
mod model;
mod pacing;
mod previews;
mod queue;
mod recipients;
mod requests;
mod sends;
mod strangers;
mod unreadable;
mod words;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

use self::{
    fake::{Death, FakeWhatsApp, chat, gone},
    words::{NO_ROOM, Words},
};
use super::*;
use crate::{
    config,
    events::Events,
    model::{
        Account, AckLevel, Address, ClientId, Content, Event, FailureCode, MessageId, PhoneNumber,
        Priority, Recipient, RestrictionKind, Timestamp,
    },
    store::Store,
    whatsapp::{PageError, PageSending, SendNews, SendProgress, fake::Watch},
};

struct Gateway {
    store: Store,
    outbox: Outbox,
    pages: watch::Sender<Option<Arc<dyn PageSending>>>,
    task: JoinHandle<()>,
    watches: Mutex<Vec<Watch>>,
}

fn client() -> ClientId {
    "test".parse().expect("id")
}

impl Gateway {
    async fn start(dir: &Path) -> Self {
        Self::with(dir, config::Send::default()).await
    }

    async fn with(dir: &Path, settings: config::Send) -> Self {
        Self::paced(dir, settings, BTreeMap::new()).await
    }

    async fn paced(
        dir: &Path,
        settings: config::Send,
        pacings: BTreeMap<ClientId, config::Pacing>,
    ) -> Self {
        let store = Store::open(&dir.join("wharf.db")).await.expect("store");
        let events = Events::new(store.clone(), Arc::new(Words), config::Delivery::default());
        let outbox = Outbox::new(store.clone(), Arc::new(Words), events, settings, pacings);
        let (pages, ready) = watch::channel(None);
        let task = outbox.attach(client(), ready);
        Self {
            store,
            outbox,
            pages,
            task,
            watches: Mutex::default(),
        }
    }

    fn page(&self, whatsapp: &Arc<FakeWhatsApp>) {
        self.watches
            .lock()
            .expect("lock")
            .push(whatsapp.unanswered.watch());
        self.pages
            .send_replace(Some(Arc::<FakeWhatsApp>::clone(whatsapp)));
    }

    /// As SIGKILL: nothing is finished, nothing is told.
    async fn crash(self) {
        self.task.abort();
        self.store.close().await;
    }

    async fn ack(&self, id: &MessageId, level: AckLevel) {
        let news = SendNews {
            id: id.clone(),
            address: chat(),
            what: SendProgress::Ack(level),
        };
        self.outbox
            .on_send_news(&client(), None, vec![news])
            .await
            .expect("noted");
    }

    async fn events(&self) -> Vec<String> {
        let events = self.store.events_after(0, 100).await.expect("events");
        events
            .iter()
            .map(|event| event.envelope.event.kind().to_owned())
            .collect()
    }

    async fn until(&self, id: &OutboxId, state: RowState) -> OutboxRow {
        self.row(id, |row| row.state == state).await
    }

    /// The page has it.
    async fn until_stored(&self, id: &OutboxId) -> OutboxRow {
        self.row(id, |row| row.message_key.is_some()).await
    }

    async fn row(&self, id: &OutboxId, wanted: impl Fn(&OutboxRow) -> bool) -> OutboxRow {
        // Long: some wait for a pause of seconds, on a machine that may have other work.
        for _ in 0..3000 {
            let row = self.outbox.get(id).await.expect("read").expect("there");
            if wanted(&row) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it stays {:?}", self.outbox.get(id).await)
    }
}

fn request(text: &str, key: Option<&str>) -> SendRequest {
    SendRequest {
        client: client(),
        to: "4915123456789".parse().expect("number"),
        content: Requested::Content(Content::text(text)),
        reply_to: None,
        send_at: None,
        expires_at: None,
        priority: Priority::Interactive,
        metadata: vec![],
        idempotency: key.map(|key| Idempotency {
            fingerprint: text.into(),
            ..Idempotency::own("api", key.into())
        }),
    }
}

const LIMIT: Duration = Duration::from_secs(10);
