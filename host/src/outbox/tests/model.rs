//! Tests the outbox against a model of WhatsApp, with random sequences of events.
//!
//! The sender is moved step by step, so that a crash can fall between any two steps. Afterwards
//! time passes until no message is open. Then three things must hold: no row is lost, each
//! recipient has each sent message once and no other, and the messages of a chat arrived in the
//! order of acceptance.

mod story;
mod world;

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use self::{
    story::{Happens, happens},
    world::World,
};
use super::*;
use crate::{
    model::Priority,
    outbox::{
        fast_path,
        sender::{Progress, Sender},
    },
    whatsapp::TimeLock,
};

fn number(chat: u8) -> Recipient {
    format!("49151000000{chat}").parse().expect("number")
}

/// What the caller knows of a message.
struct Told {
    id: OutboxId,
    message_id: MessageId,
    lane: (u8, bool),
}

struct Run {
    dir: tempfile::TempDir,
    world: Arc<World>,
    page: Arc<dyn PageSending>,
    _watch: Watch,
    store: Store,
    outbox: Outbox,
    sender: Sender,
    fast_path: Option<fast_path::Receiver>,
    told: Vec<Told>,
    keys: HashMap<u8, OutboxId>,
    /// Messages that were refused or retried, whose order is not checked.
    out_of_turn: HashSet<MessageId>,
}

async fn open(dir: &Path) -> (Store, Outbox, Sender) {
    let store = Store::open(&dir.join("wharf.db")).await.expect("store");
    let events = Events::new(store.clone(), Arc::new(Words), config::Delivery::default());
    let settings = config::Send {
        ack_timeout: config::Millis(0),
        ..config::Send::default()
    };
    let outbox = Outbox::new(
        store.clone(),
        Arc::new(Words),
        events,
        settings,
        BTreeMap::new(),
    );
    let sender = Sender::lease(Arc::clone(&outbox.inner), client()).await;
    (store, outbox, sender)
}

impl Run {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let world = Arc::new(World::default());
        let page: Arc<dyn PageSending> = Arc::<World>::clone(&world);
        let watch = world.1.watch();
        let (store, outbox, sender) = open(dir.path()).await;
        let fast_path = Some(sender.open_fast_path());
        Self {
            dir,
            world,
            page,
            _watch: watch,
            store,
            outbox,
            sender,
            fast_path,
            told: vec![],
            keys: HashMap::new(),
            out_of_turn: HashSet::new(),
        }
    }

    async fn happens(&mut self, what: &Happens) {
        match what {
            Happens::Accept { chat, bulk, key } => self.accept(*chat, *bulk, *key).await,
            Happens::Pass => {
                self.sender.pass(&self.page).await.expect("passed");
            }
            Happens::Given { lost } => {
                if let Some(begun) = self
                    .fast_path
                    .as_mut()
                    .and_then(fast_path::Receiver::try_next)
                    && !lost
                {
                    self.sender
                        .give_begun(&self.page, begun)
                        .await
                        .expect("given");
                }
            }
            Happens::Ack { missed } => self.server_takes(*missed).await,
            Happens::Nack { missed } => self.server_refuses(*missed).await,
            Happens::Timeout => self.sender.overdue(&self.page, true).await.expect("looked"),
            Happens::Crash => {
                self.fast_path = None;
                self.store.close().await;
                (self.store, self.outbox, self.sender) = open(self.dir.path()).await;
                self.new_page().await;
            }
            Happens::PageDies(how) => self.world.state().dies = Some(*how),
            Happens::AnswerLost { stored } => self.world.state().loses = Some(*stored),
            Happens::Refuses { for_good } => {
                let error = if *for_good {
                    PageError::Refused {
                        what: "send",
                        reason: "no".into(),
                    }
                } else {
                    PageError::Booting { what: "send" }
                };
                self.world.state().refuses = Some(error);
            }
            Happens::NewPage => self.new_page().await,
            Happens::Cancel(which) => {
                let Some(told) = self.told.get(*which) else {
                    return;
                };
                let before = self
                    .outbox
                    .get(&told.id)
                    .await
                    .expect("read")
                    .expect("there")
                    .state;
                let done = self.outbox.cancel(&told.id).await;
                assert_eq!(done.is_ok(), before == RowState::Queued, "{done:?}");
            }
            Happens::Retry(which) => {
                let Some(told) = self.told.get(*which) else {
                    return;
                };
                let before = self
                    .outbox
                    .get(&told.id)
                    .await
                    .expect("read")
                    .expect("there")
                    .state;
                let done = self.outbox.retry(&told.id).await;
                assert_eq!(done.is_ok(), before == RowState::NotSent, "{done:?}");
                if done.is_ok() {
                    self.out_of_turn.insert(told.message_id.clone());
                }
            }
            Happens::LookupsFail(fail) => self.world.state().lookups_fail = *fail,
            Happens::Locked(locked) => self
                .outbox
                .time_lock(&client(), None, locked.then(TimeLock::default))
                .await
                .expect("noted"),
            Happens::Writes(chat) => self
                .store
                .know(&client(), vec![number(*chat)])
                .await
                .expect("noted"),
            Happens::Clock => self.sender.clock().await.expect("looked"),
        }
    }

    async fn accept(&mut self, chat: u8, bulk: bool, key: Option<u8>) {
        let mut wanted = request("hello", key.map(|key| key.to_string()).as_deref());
        wanted.to = number(chat);
        wanted.priority = if bulk {
            Priority::Bulk
        } else {
            Priority::Interactive
        };
        match (
            self.outbox.accept(wanted).await,
            key.and_then(|key| self.keys.get(&key)),
        ) {
            (Ok(new), None) => {
                assert!(!new.known);
                self.keys.extend(key.map(|key| (key, new.id.clone())));
                self.told.push(Told {
                    id: new.id,
                    message_id: new.message_id,
                    lane: (chat, bulk),
                });
            }
            (Ok(again), Some(first)) => assert_eq!((&again.id, again.known), (first, true)),
            (Err(AcceptError::InFlight(again)), Some(first)) => assert_eq!(again, *first),
            (other, first) => panic!("{other:?} though the key's first message is {first:?}"),
        }
    }

    async fn new_page(&mut self) {
        self.fast_path = None;
        self.world.new_page();
        self.sender.settle(&self.page).await.expect("settled");
        self.fast_path = Some(self.sender.open_fast_path());
    }

    async fn server_takes(&mut self, missed: bool) {
        let id = {
            let mut state = self.world.state();
            if state.dead || state.queue.is_empty() {
                return;
            }
            let id = state.queue.remove(0);
            // Recipients drop what they have already.
            if !state.arrived.contains(&id) {
                state.arrived.push(id.clone());
            }
            id
        };
        if !missed {
            self.news(id, SendProgress::Ack(AckLevel::Server)).await;
        }
    }

    async fn server_refuses(&mut self, missed: bool) {
        let id = {
            let mut state = self.world.state();
            if state.dead || state.queue.is_empty() || state.arrived.contains(&state.queue[0]) {
                return;
            }
            state.queue.remove(0)
        };
        self.out_of_turn.insert(id.clone());
        if !missed {
            self.news(
                id,
                SendProgress::Refused {
                    code: Some(400),
                    until: None,
                    reason: "no".into(),
                },
            )
            .await;
        }
    }

    async fn news(&self, id: MessageId, what: SendProgress) {
        self.outbox
            .on_send_news(
                &client(),
                None,
                vec![SendNews {
                    id,
                    address: chat(),
                    what,
                }],
            )
            .await
            .expect("noted");
    }

    /// Lets time pass without failures until no message is open.
    async fn quiet(&mut self) {
        self.world.state().lookups_fail = false;
        self.outbox.lift(&client()).await.expect("lifted");
        self.new_page().await;
        for _ in 0..1000 {
            for row in self.store.queued(&client()).await.expect("queued") {
                self.store
                    .requeue(&row.id, Timestamp(0), "time has passed")
                    .await
                    .expect("requeued");
            }
            self.sender.clock().await.expect("looked");
            while self.sender.pass(&self.page).await.expect("passed") == Progress::More {}
            while !self.world.state().queue.is_empty() {
                self.server_takes(false).await;
            }
            if self.store.outbox_depth().await.expect("counted") == 0 {
                return;
            }
            self.sender.overdue(&self.page, true).await.expect("looked");
            self.sender.settle(&self.page).await.expect("asked");
        }
        panic!("something stays open");
    }

    async fn check(&self) {
        let arrived = self.world.state().arrived.clone();
        let listed = self
            .store
            .messages(&crate::store::Filter {
                limit: 1000,
                ..Default::default()
            })
            .await
            .expect("listed");
        assert_eq!(
            listed.rows.len(),
            self.told.len(),
            "rows that nobody was told of, or lost ones"
        );
        let mut sent = HashSet::new();
        for told in &self.told {
            let row = self
                .outbox
                .get(&told.id)
                .await
                .expect("read")
                .expect("no row is lost");
            let times = arrived.iter().filter(|id| **id == told.message_id).count();
            match row.state {
                RowState::Sent => assert_eq!(times, 1, "{row:?}"),
                RowState::NotSent => assert_eq!(times, 0, "{row:?}"),
                state => panic!("{state:?} at the end"),
            }
            sent.extend((times == 1).then(|| told.message_id.clone()));
            let history = self.outbox.history(&row).await.expect("history");
            assert_eq!(
                history.first().map(|step| step.kind.as_str()),
                Some("accepted"),
                "{history:?}"
            );
            let last = if row.state == RowState::Sent {
                "ack"
            } else {
                "not_sent"
            };
            assert_eq!(
                history.last().map(|step| step.kind.as_str()),
                Some(last),
                "{history:?}"
            );
        }
        assert_eq!(
            arrived.iter().cloned().collect::<HashSet<_>>(),
            sent,
            "something arrived that nobody sent"
        );
        for lane in (0..3).flat_map(|chat| [(chat, false), (chat, true)]) {
            let in_turn = |id: &&MessageId| !self.out_of_turn.contains(*id);
            let of_lane: Vec<_> = self
                .told
                .iter()
                .filter(|told| told.lane == lane)
                .map(|told| &told.message_id)
                .filter(in_turn)
                .collect();
            let wanted: Vec<_> = of_lane
                .iter()
                .filter(|id| sent.contains(**id))
                .copied()
                .collect();
            let came: Vec<_> = arrived.iter().filter(|id| of_lane.contains(id)).collect();
            assert_eq!(came, wanted, "the order of chat {lane:?}");
        }
    }
}

proptest! {
    // PROPTEST_CASES overrides the number of cases.
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().expect("a number")), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_message_arrives_once_in_order_or_is_said_not_to(story in prop::collection::vec(happens(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let mut run = Run::new().await;
            for what in &story {
                run.happens(what).await;
            }
            run.quiet().await;
            run.check().await;
            run.store.close().await;
        });
    }
}
