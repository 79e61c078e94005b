//! The outbox against a model of WhatsApp, through random interleavings of what can happen to it.
//!
//! The sender is moved step by step, so that a crash falls between any two of them. Afterwards time is let pass until
//! nothing is open, and three things must hold: no row is lost, each recipient has each sent message once and no other,
//! and the messages of a chat came in the order of acceptance.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::{
    model::Priority,
    outbox::{
        fast_path,
        sender::{Progress, Sender},
    },
    whatsapp::TimeLock,
};

#[derive(Debug, Clone)]
enum Happens {
    /// To a chat, as a bulk message or not, perhaps under a key that is used again.
    Accept { chat: u8, bulk: bool, key: Option<u8> },
    /// The sender sends what it can.
    Pass,
    /// The next one on the fast path is given to the page, or lost before.
    Given { lost: bool },
    /// The page sends the first of its queue and the server takes it; the gateway may miss the news.
    Ack { missed: bool },
    /// The server refuses the first of the page's queue.
    Nack { missed: bool },
    /// Acknowledgements are overdue.
    Timeout,
    /// The gateway is killed and started again, with a new page.
    Crash,
    /// The page dies at the next message.
    PageDies(Death),
    /// The answer to the next message is lost, though the page lives on; it may have the message.
    AnswerLost { stored: bool },
    /// The page refuses the next message before it stores it, for good or because it is being loaded.
    Refuses { for_good: bool },
    /// A new page in place of the one before.
    NewPage,
    /// The caller takes one back.
    Cancel(usize),
    /// The caller takes one up again that has failed.
    Retry(usize),
    /// Numbers cannot be looked up, or can again.
    LookupsFail(bool),
    /// WhatsApp lets the account write to nobody new, or does again.
    Locked(bool),
    /// Somebody writes.
    Writes(u8),
    /// The sender looks at the clock, and lets back into the line who may be written to again.
    Clock,
}

fn happens() -> impl Strategy<Value = Happens> {
    let accept = (0..3_u8, any::<bool>(), prop::option::weighted(0.3, 0..4_u8)).prop_map(|(chat, bulk, key)| Happens::Accept { chat, bulk, key });
    prop_oneof![
        8 => accept,
        6 => Just(Happens::Pass),
        4 => prop::bool::weighted(0.2).prop_map(|lost| Happens::Given { lost }),
        4 => prop::bool::weighted(0.3).prop_map(|missed| Happens::Ack { missed }),
        1 => any::<bool>().prop_map(|missed| Happens::Nack { missed }),
        2 => Just(Happens::Timeout),
        2 => Just(Happens::Crash),
        2 => prop_oneof![Just(Death::BeforeStoring), Just(Death::AfterStoring)].prop_map(Happens::PageDies),
        2 => any::<bool>().prop_map(|stored| Happens::AnswerLost { stored }),
        2 => any::<bool>().prop_map(|for_good| Happens::Refuses { for_good }),
        2 => Just(Happens::NewPage),
        2 => (0..20_usize).prop_map(Happens::Cancel),
        2 => (0..20_usize).prop_map(Happens::Retry),
        1 => any::<bool>().prop_map(Happens::LookupsFail),
        2 => any::<bool>().prop_map(Happens::Locked),
        1 => (0..3_u8).prop_map(Happens::Writes),
        1 => Just(Happens::Clock),
    ]
}

/// WhatsApp with one page at a time. What the page has stored outlives it, its queue does not.
#[derive(Debug, Default)]
struct World(Mutex<State>, Unanswered);

#[derive(Debug, Default)]
struct State {
    stored: HashMap<MessageId, String>,
    queue: Vec<MessageId>,
    /// What recipients have, in the order of arrival.
    arrived: Vec<MessageId>,
    dies: Option<Death>,
    /// The next answer is lost, after it has stored the message or before.
    loses: Option<bool>,
    /// What it says to the next message, which it does not store.
    refuses: Option<PageError>,
    dead: bool,
    lookups_fail: bool,
}

fn number(chat: u8) -> Recipient {
    format!("49151000000{chat}").parse().expect("number")
}

impl World {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("lock")
    }

    fn alive(&self) -> Result<std::sync::MutexGuard<'_, State>, PageError> {
        let state = self.state();
        if state.dead { Err(gone()) } else { Ok(state) }
    }

    fn new_page(&self) {
        let mut state = self.state();
        state.queue.clear();
        (state.dies, state.loses, state.refuses, state.dead) = (None, None, None, false);
    }
}

#[async_trait]
impl PageChannel for World {
    async fn call(&self, call: Call) -> Result<serde_json::Value, PageError> {
        self.1.refuse(&call)
    }
}

#[async_trait]
impl PageSending for World {
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        let state = self.alive()?;
        if state.lookups_fail { Err(gone()) } else { Ok(Some(Address::of_number(number))) }
    }
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        Ok(Address { chat: chat.into(), pn: None, lid: None })
    }
    async fn established(&self, _: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        Ok(vec![])
    }
    async fn typing(&self, _: &str, _: Duration) -> Result<(), PageError> {
        Ok(())
    }
    async fn preview(&self, _: &PageSend) -> Result<(), PageError> {
        Ok(())
    }
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        let mut state = self.alive()?;
        if state.dies == Some(Death::BeforeStoring) {
            state.dead = true;
            return Err(gone());
        }
        if let Some(error) = state.refuses.take() {
            return Err(error);
        }
        let lost = state.loses.take();
        if lost == Some(false) {
            return Err(gone());
        }
        let duplicate = state.stored.insert(send.id.clone(), send.chat.clone()).is_some();
        if state.dies == Some(Death::AfterStoring) {
            state.dead = true;
            return Err(gone());
        }
        if !duplicate {
            state.queue.push(send.id.clone());
        }
        if lost.is_some() {
            return Err(gone());
        }
        let address = Address { chat: send.chat.clone(), pn: None, lid: None };
        Ok(Stored { address, key: format!("true_{}_{}", send.chat, send.id), duplicate })
    }
    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError> {
        let state = self.alive()?;
        let arrived = state.arrived.contains(id);
        let address = Address { chat: chat.to_owned(), pn: None, lid: None };
        let found = || Found {
            address,
            key: format!("true_{chat}_{id}"),
            ack: arrived.then_some(AckLevel::Server),
            failed: !arrived && !state.queue.contains(id),
        };
        Ok(state.stored.contains_key(id).then(found))
    }
    async fn resend(&self, id: &MessageId, _: &str) -> Result<(), PageError> {
        self.alive()?.queue.push(id.clone());
        Ok(())
    }
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
    /// Refused or taken up again: they come when they come.
    out_of_turn: HashSet<MessageId>,
}

async fn open(dir: &Path) -> (Store, Outbox, Sender) {
    let store = Store::open(&dir.join("wharf.db")).await.expect("store");
    let events = Events::new(store.clone(), Arc::new(Words), config::Delivery::default());
    let settings = config::Send { ack_timeout: config::Millis(0), ..config::Send::default() };
    let outbox = Outbox::new(store.clone(), Arc::new(Words), events, settings, BTreeMap::new());
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
        Self { dir, world, page, _watch: watch, store, outbox, sender, fast_path, told: vec![], keys: HashMap::new(), out_of_turn: HashSet::new() }
    }

    async fn happens(&mut self, what: &Happens) {
        match what {
            Happens::Accept { chat, bulk, key } => self.accept(*chat, *bulk, *key).await,
            Happens::Pass => {
                self.sender.pass(&self.page).await.expect("passed");
            }
            Happens::Given { lost } => {
                if let Some(begun) = self.fast_path.as_mut().and_then(fast_path::Receiver::try_next)
                    && !lost
                {
                    self.sender.give_begun(&self.page, begun).await.expect("given");
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
                let error = if *for_good { PageError::Refused { what: "send", reason: "no".into() } } else { PageError::Booting { what: "send" } };
                self.world.state().refuses = Some(error);
            }
            Happens::NewPage => self.new_page().await,
            Happens::Cancel(which) => {
                let Some(told) = self.told.get(*which) else { return };
                let before = self.outbox.get(&told.id).await.expect("read").expect("there").state;
                let done = self.outbox.cancel(&told.id).await;
                assert_eq!(done.is_ok(), before == RowState::Queued, "{done:?}");
            }
            Happens::Retry(which) => {
                let Some(told) = self.told.get(*which) else { return };
                let before = self.outbox.get(&told.id).await.expect("read").expect("there").state;
                let done = self.outbox.retry(&told.id).await;
                assert_eq!(done.is_ok(), before == RowState::NotSent, "{done:?}");
                if done.is_ok() {
                    self.out_of_turn.insert(told.message_id.clone());
                }
            }
            Happens::LookupsFail(fail) => self.world.state().lookups_fail = *fail,
            Happens::Locked(locked) => self.outbox.time_lock(&client(), None, locked.then(TimeLock::default)).await.expect("noted"),
            Happens::Writes(chat) => self.store.know(&client(), vec![number(*chat)]).await.expect("noted"),
            Happens::Clock => self.sender.clock().await.expect("looked"),
        }
    }

    async fn accept(&mut self, chat: u8, bulk: bool, key: Option<u8>) {
        let mut wanted = request("hello", key.map(|key| key.to_string()).as_deref());
        wanted.to = number(chat);
        wanted.priority = if bulk { Priority::Bulk } else { Priority::Interactive };
        match (self.outbox.accept(wanted).await, key.and_then(|key| self.keys.get(&key))) {
            (Ok(new), None) => {
                assert!(!new.known);
                self.keys.extend(key.map(|key| (key, new.id.clone())));
                self.told.push(Told { id: new.id, message_id: new.message_id, lane: (chat, bulk) });
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
            self.news(id, SendProgress::Refused { code: Some(400), until: None, reason: "no".into() }).await;
        }
    }

    async fn news(&self, id: MessageId, what: SendProgress) {
        self.outbox.on_send_news(&client(), None, vec![SendNews { id, address: chat(), what }]).await.expect("noted");
    }

    /// Nothing fails any more; time passes until nothing is open.
    async fn quiet(&mut self) {
        self.world.state().lookups_fail = false;
        self.outbox.lift(&client()).await.expect("lifted");
        self.new_page().await;
        for _ in 0..1000 {
            for row in self.store.queued(&client()).await.expect("queued") {
                self.store.requeue(&row.id, Timestamp(0), "time has passed").await.expect("requeued");
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
        let listed = self.store.messages(&crate::store::Filter { limit: 1000, ..Default::default() }).await.expect("listed");
        assert_eq!(listed.rows.len(), self.told.len(), "rows that nobody was told of, or lost ones");
        let mut sent = HashSet::new();
        for told in &self.told {
            let row = self.outbox.get(&told.id).await.expect("read").expect("no row is lost");
            let times = arrived.iter().filter(|id| **id == told.message_id).count();
            match row.state {
                RowState::Sent => assert_eq!(times, 1, "{row:?}"),
                RowState::NotSent => assert_eq!(times, 0, "{row:?}"),
                state => panic!("{state:?} at the end"),
            }
            sent.extend((times == 1).then(|| told.message_id.clone()));
            let history = self.outbox.history(&row).await.expect("history");
            assert_eq!(history.first().map(|step| step.kind.as_str()), Some("accepted"), "{history:?}");
            let last = if row.state == RowState::Sent { "ack" } else { "not_sent" };
            assert_eq!(history.last().map(|step| step.kind.as_str()), Some(last), "{history:?}");
        }
        assert_eq!(arrived.iter().cloned().collect::<HashSet<_>>(), sent, "something arrived that nobody sent");
        for lane in (0..3).flat_map(|chat| [(chat, false), (chat, true)]) {
            let in_turn = |id: &&MessageId| !self.out_of_turn.contains(*id);
            let of_lane: Vec<_> = self.told.iter().filter(|told| told.lane == lane).map(|told| &told.message_id).filter(in_turn).collect();
            let wanted: Vec<_> = of_lane.iter().filter(|id| sent.contains(**id)).copied().collect();
            let came: Vec<_> = arrived.iter().filter(|id| of_lane.contains(id)).collect();
            assert_eq!(came, wanted, "the order of chat {lane:?}");
        }
    }
}

proptest! {
    // PROPTEST_CASES asks for more.
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
