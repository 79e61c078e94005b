mod answers;
mod aside;
mod bulk;
mod held;
mod in_doubt;
mod model;
mod previews;
mod queue;
mod recipients;
mod strangers;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use super::*;
use crate::{
    config,
    events::Events,
    model::{
        Account, AckLevel, Address, ClientId, Content, Envelope, Event, FailureCode, Location, MessageId, OutboundMessage, Outcome, PhoneNumber,
        Poll, Priority, Recipient, RestrictionKind, Timestamp,
    },
    plugins::{
        AttemptResult, Busy, CallFailure, Decision, Judgement, Notifiers, NotifyRequest, Pipeline, Rejection, RenderFailure, RenderRequest, Subject,
        TargetName,
    },
    store::Store,
    whatsapp::{
        Call, Found, PageChannel, PageError, PageSend, PageSending, SendNews, SendProgress, Stored,
        fake::{Unanswered, Watch},
    },
};

/// WhatsApp as far as the outbox sees it. It outlives the gateways of a test.
#[derive(Debug, Default)]
struct FakeWhatsApp {
    /// Ids the page's database knows, with how often they were transmitted.
    known: Mutex<HashMap<MessageId, u32>>,
    looked_up: Mutex<u32>,
    asked: Mutex<u32>,
    /// The page dies after it has stored a message, or before it is told of one.
    dies: Mutex<Option<Death>>,
    unknown_number: bool,
    /// Ids in the order the page got them.
    order: Mutex<Vec<MessageId>>,
    /// Numbers whose look-up fails for now.
    lookups_fail: Mutex<HashSet<String>>,
    /// Numbers it has had a conversation with.
    established: HashSet<String>,
    /// Who was shown typing, and for how long.
    typed: Mutex<Vec<(String, Duration)>>,
    /// It cannot be asked about messages.
    mute: AtomicBool,
    /// What it got, in order.
    got: Mutex<Vec<PageSend>>,
    /// Groups that this account is in.
    groups: HashSet<String>,
    /// Messages whose preview was asked for.
    previews: Mutex<Vec<MessageId>>,
    /// Previews do not come until it is on.
    phone_off: AtomicBool,
    phone_on: Notify,
    /// It does not answer when it is asked about a message.
    hangs: bool,
    /// It has forgotten each message when it is asked about it.
    keeps_to_itself: bool,
    /// The server has taken none of its messages.
    unsent: AtomicBool,
    /// What it answers to the next message, which it does not store.
    refuses: Mutex<Option<PageError>>,
    unanswered: Unanswered,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Death {
    BeforeStoring,
    AfterStoring,
}

fn gone() -> PageError {
    PageError::Gone { what: "test", reason: "the page died".into() }
}

fn chat() -> Address {
    Address { chat: "77@lid".into(), pn: Some("4915123456789@c.us".into()), lid: Some("77@lid".into()) }
}

#[async_trait]
impl PageChannel for FakeWhatsApp {
    async fn call(&self, call: Call) -> Result<serde_json::Value, PageError> {
        self.unanswered.refuse(&call)
    }
}

#[async_trait]
impl PageSending for FakeWhatsApp {
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        if self.lookups_fail.lock().expect("lock").contains(number.digits()) {
            return Err(gone());
        }
        *self.looked_up.lock().expect("lock") += 1;
        let address = if number.digits() == "4915123456789" { chat() } else { Address::of_number(number) };
        Ok((!self.unknown_number).then_some(address))
    }
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        let known = Address { chat: chat.into(), ..self::chat() };
        Ok(if chat == "77@lid" { known } else { Address { pn: None, ..known } })
    }
    async fn established(&self, recipients: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        Ok(recipients.iter().filter(|recipient| self.established.contains(&recipient.to_string())).cloned().collect())
    }
    async fn typing(&self, chat: &str, how_long: Duration) -> Result<(), PageError> {
        self.typed.lock().expect("lock").push((chat.to_owned(), how_long));
        Err(gone())
    }
    async fn preview(&self, send: &PageSend) -> Result<(), PageError> {
        self.previews.lock().expect("lock").push(send.id.clone());
        if self.phone_off.load(Ordering::Relaxed) {
            self.phone_on.notified().await;
        }
        Ok(())
    }
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        self.got.lock().expect("lock").push(send.clone());
        if let Some(error) = self.refuses.lock().expect("lock").take() {
            return Err(error);
        }
        if send.chat.ends_with("@g.us") && !self.groups.contains(&send.chat) {
            return Err(PageError::NoSuchChat);
        }
        if let Some(target) = send.reply_to.as_ref().filter(|target| !self.known.lock().expect("lock").contains_key(target)) {
            return Err(PageError::QuoteNotFound { reason: format!("there is no {target} in this chat") });
        }
        let dies = *self.dies.lock().expect("lock");
        if dies == Some(Death::BeforeStoring) {
            return Err(gone());
        }
        let mut known = self.known.lock().expect("lock");
        let duplicate = known.contains_key(&send.id);
        if !duplicate {
            known.insert(send.id.clone(), 1);
            self.order.lock().expect("lock").push(send.id.clone());
        }
        if dies == Some(Death::AfterStoring) {
            return Err(gone());
        }
        Ok(Stored { address: chat(), key: format!("true_77@lid_{}", send.id), duplicate })
    }
    async fn find(&self, id: &MessageId, _: &str) -> Result<Option<Found>, PageError> {
        *self.asked.lock().expect("lock") += 1;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.keeps_to_itself {
            return Ok(None);
        }
        if self.mute.load(Ordering::Relaxed) {
            return Err(gone());
        }
        let known = self.known.lock().expect("lock").contains_key(id);
        Ok(known.then(|| Found {
            address: chat(),
            key: format!("true_77@lid_{id}"),
            ack: (!self.unsent.load(Ordering::Relaxed)).then_some(AckLevel::Server),
            failed: false,
        }))
    }
    async fn resend(&self, id: &MessageId, _: &str) -> Result<(), PageError> {
        *self.known.lock().expect("lock").entry(id.clone()).or_default() += 1;
        Ok(())
    }
}

/// There was no room for the text "no room later", once.
static NO_ROOM: AtomicBool = AtomicBool::new(false);

/// Rejects texts that say so, and tells nobody of anything.
#[derive(Debug)]
struct Words;

#[async_trait]
impl Pipeline for Words {
    async fn validate(&self, subject: &Subject, message: OutboundMessage) -> Decision {
        match message.content.body() {
            Some("not by id") if message.to.lid.is_some() => {
                let rejection = Rejection { plugin: "words".into(), code: "by_id".into(), reason: "an id".into(), retry_after: None };
                Decision::Reject(rejection, vec![])
            }
            Some(text) if text == "reject me" || (text == "reject me later" && subject.attempt > 1) => {
                let rejection = Rejection { plugin: "words".into(), code: "bad_word".into(), reason: "a bad word".into(), retry_after: None };
                Decision::Reject(rejection, vec![])
            }
            Some("long one") => Decision::Allow(OutboundMessage { content: Content::text("x".repeat(1 << 20)), ..message }, vec![]),
            Some("no room") => Decision::Busy(Busy { plugin: "words".into(), reason: "none left".into() }, vec![]),
            Some("no room later") if subject.attempt > 1 && !NO_ROOM.swap(true, Ordering::Relaxed) => {
                Decision::Busy(Busy { plugin: "words".into(), reason: "none left".into() }, vec![])
            }
            _ => Decision::Allow(message, vec![]),
        }
    }
    async fn render(&self, _: &Subject, request: &RenderRequest) -> Result<Content, RenderFailure> {
        let said = |name: &str| request.variables.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        if said("name") == "nobody" {
            return Err(RenderFailure::MissingVariable { template: request.template.clone(), variable: "name".into() });
        }
        if request.template == "poll" {
            return Ok(poll());
        }
        Ok(Content::text(format!("rendered {} for {} about {}", request.template, said("name"), said("order"))))
    }
}

fn poll() -> Content {
    Content::Poll(Poll { question: "When?".into(), options: vec!["now".into(), "later".into()], selectable: 1 })
}

#[async_trait]
impl Notifiers for Words {
    fn interested(&self, _: &Envelope) -> Vec<String> {
        vec![]
    }
    async fn route(&self, _: &str, _: &Subject, _: &Envelope) -> Result<Vec<TargetName>, CallFailure> {
        Ok(vec![])
    }
    async fn request(&self, plugin: &str, _: &Subject, _: &str, _: &Envelope) -> Result<NotifyRequest, CallFailure> {
        let kind = crate::plugins::FailureKind::Host;
        Err(CallFailure { plugin: plugin.into(), kind, detail: "not in this test".into() })
    }
    async fn judge(&self, _: &str, _: &Subject, _: &str, _: &AttemptResult) -> Result<Judgement, CallFailure> {
        Ok(Judgement::Delivered)
    }
}

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

    async fn paced(dir: &Path, settings: config::Send, pacings: BTreeMap<ClientId, config::Pacing>) -> Self {
        let store = Store::open(&dir.join("wharf.db")).await.expect("store");
        let events = Events::new(store.clone(), Arc::new(Words), config::Delivery::default());
        let outbox = Outbox::new(store.clone(), Arc::new(Words), events, settings, pacings);
        let (pages, ready) = watch::channel(None);
        let task = outbox.attach(client(), ready);
        Self { store, outbox, pages, task, watches: Mutex::default() }
    }

    fn page(&self, whatsapp: &Arc<FakeWhatsApp>) {
        self.watches.lock().expect("lock").push(whatsapp.unanswered.watch());
        self.pages.send_replace(Some(Arc::<FakeWhatsApp>::clone(whatsapp)));
    }

    /// As SIGKILL: nothing is finished, nothing is told.
    async fn crash(self) {
        self.task.abort();
        self.store.close().await;
    }

    async fn ack(&self, id: &MessageId, level: AckLevel) {
        let news = SendNews { id: id.clone(), address: chat(), what: SendProgress::Ack(level) };
        self.outbox.on_send_news(&client(), None, vec![news]).await.expect("noted");
    }

    async fn events(&self) -> Vec<String> {
        let events = self.store.events_after(0, 100).await.expect("events");
        events.iter().map(|event| event.envelope.event.kind().to_owned()).collect()
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
        idempotency: key.map(|key| Idempotency { fingerprint: text.into(), ..Idempotency::own("api", key.into()) }),
    }
}

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_send_ends_with_the_servers_acknowledgement_and_levels_only_rise() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
    gateway.until(&accepted.id, RowState::Sending).await;
    for level in [AckLevel::Server, AckLevel::Read, AckLevel::Device] {
        gateway.ack(&accepted.message_id, level).await;
    }
    let (row, outcome) = gateway.outbox.wait(&accepted.id, Until::Sent, LIMIT).await.expect("read").expect("there");
    assert_eq!(row.ack, 3);
    assert!(matches!(outcome, Some(Outcome::Sent { message_key, .. }) if message_key == format!("true_77@lid_{}", accepted.message_id)));
    assert_eq!(gateway.events().await, ["message.sent", "message.ack", "message.ack"]);
    gateway.outbox.accept(request("again", None)).await.expect("accepted");
    let second = gateway.outbox.accept(request("and again", None)).await.expect("accepted");
    gateway.until(&second.id, RowState::Sending).await;
    assert_eq!(*whatsapp.looked_up.lock().expect("lock"), 1, "a looked-up number is believed for a while");
}

#[tokio::test]
async fn a_crash_at_any_point_sends_exactly_once_under_the_first_id() {
    for death in [None, Some(Death::BeforeStoring), Some(Death::AfterStoring)] {
        let dir = tempfile::tempdir().expect("tempdir");
        let whatsapp = Arc::new(FakeWhatsApp::default());
        *whatsapp.dies.lock().expect("lock") = death;
        let gateway = Gateway::start(dir.path()).await;
        let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
        if death.is_some() {
            gateway.page(&whatsapp);
            gateway.until(&accepted.id, RowState::Sending).await;
        }
        gateway.crash().await;

        *whatsapp.dies.lock().expect("lock") = None;
        let gateway = Gateway::start(dir.path()).await;
        gateway.page(&whatsapp);
        while whatsapp.known.lock().expect("lock").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.ack(&accepted.message_id, AckLevel::Server).await;
        gateway.until(&accepted.id, RowState::Sent).await;
        assert_eq!(*whatsapp.known.lock().expect("lock"), HashMap::from([(accepted.message_id, 1)]), "{death:?}");
        let asked = *whatsapp.asked.lock().expect("lock") > 0;
        assert!(asked || death != Some(Death::BeforeStoring), "a send that was begun is looked up before it is sent again");
        gateway.crash().await;
    }
}

#[tokio::test]
async fn what_a_lost_profile_has_begun_is_unknown_and_never_sent_again() {
    for told in [true, false] {
        let dir = tempfile::tempdir().expect("tempdir");
        let whatsapp = Arc::new(FakeWhatsApp::default());
        // Untold, the page at least has confirmed that it had the message.
        *whatsapp.dies.lock().expect("lock") = told.then_some(Death::AfterStoring);
        let gateway = Gateway::start(dir.path()).await;
        let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
        gateway.page(&whatsapp);
        gateway.until(&accepted.id, RowState::Sending).await;
        while !told && gateway.outbox.get(&accepted.id).await.expect("read").expect("there").message_key.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if told {
            gateway.store.profile_gone(&client()).await.expect("noted");
        }
        let fresh = Arc::new(FakeWhatsApp::default());
        gateway.page(&fresh);
        gateway.until(&accepted.id, RowState::Unknown).await;
        let next = gateway.outbox.accept(request("next", None)).await.expect("accepted");
        gateway.until_stored(&next.id).await;
        assert_eq!(*fresh.known.lock().expect("lock"), HashMap::from([(next.message_id, 1)]), "told of the loss: {told}");
        gateway.crash().await;
    }
}

#[tokio::test]
async fn a_key_is_one_message_however_many_ask_at_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let answers = futures_util::future::join_all((0..50).map(|_| gateway.outbox.accept(request("hello", Some("k"))))).await;
    let (new, rest): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(new.len(), 1);
    assert!(rest.iter().all(|answer| matches!(answer, Err(AcceptError::InFlight(_)))));
    assert_eq!(gateway.outbox.accept(request("another text", Some("k"))).await, Err(AcceptError::KeyReused));

    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let first = new.into_iter().flatten().next().expect("one");
    gateway.until(&first.id, RowState::Sending).await;
    gateway.ack(&first.message_id, AckLevel::Server).await;
    let again = gateway.outbox.accept(request("hello", Some("k"))).await.expect("known");
    assert_eq!((again.id, again.known), (first.id, true));
    assert_eq!(gateway.outbox.accept(request("reject me", Some("k2"))).await.map_err(|e| e.to_string()), Err("words: a bad word".into()));
    gateway.outbox.accept(request("then something else", Some("k2"))).await.expect("a refused request used up no key");
}

#[tokio::test]
async fn a_send_that_does_not_begin_in_time_is_cancelled_and_never_leaves() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
    let (_, outcome) = gateway.outbox.wait(&accepted.id, Until::Sent, Duration::from_millis(50)).await.expect("read").expect("there");
    assert!(matches!(outcome, Some(Outcome::NotSent { code: FailureCode::NotSentInTime, .. })), "{outcome:?}");

    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let later = gateway.outbox.accept(request("later", None)).await.expect("accepted");
    gateway.until_stored(&later.id).await;
    assert_eq!(whatsapp.known.lock().expect("lock").keys().collect::<Vec<_>>(), [&later.message_id]);
    let (_, outcome) = gateway.outbox.wait(&later.id, Until::Sent, Duration::from_millis(50)).await.expect("read").expect("there");
    assert!(matches!(outcome, Some(Outcome::Unknown { .. })), "begun: {outcome:?}");
}

#[tokio::test]
async fn a_missing_acknowledgement_is_found_out_by_asking_the_page() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(dir.path(), config::Send { ack_timeout: config::Millis(100), ..config::Send::default() }).await;
    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
    gateway.until(&accepted.id, RowState::Sent).await;
    assert_eq!(gateway.events().await, ["message.unknown", "message.sent", "message.ack"], "unknown is never the last word, and no failure");
}

#[tokio::test]
async fn refusals_are_outcomes_of_their_own() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(dir.path(), config::Send { max_length: 10, ..config::Send::default() }).await;
    let long = gateway.outbox.accept(request("🦀🦀🦀🦀🦀🦀", None)).await;
    assert_eq!(long, Err(AcceptError::TooLong { length: 12, limit: 10 }), "UTF-16 units count");
    assert!(matches!(gateway.outbox.accept(request("reject me", None)).await, Err(AcceptError::Rejected(r)) if r.code == "bad_word"));
    let made_long = gateway.outbox.accept(request("long one", None)).await;
    assert!(matches!(made_long, Err(AcceptError::TooLong { length, .. }) if length == 1 << 20), "{made_long:?}");

    gateway.page(&Arc::new(FakeWhatsApp { unknown_number: true, ..FakeWhatsApp::default() }));
    let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
    assert_eq!(gateway.until(&accepted.id, RowState::NotSent).await.code, Some(FailureCode::NotOnWhatsapp));

    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let accepted = gateway.outbox.accept(request("hello", None)).await.expect("accepted");
    gateway.until(&accepted.id, RowState::Sending).await;
    let what = SendProgress::Refused { code: Some(475), until: None, reason: "UserReachedMaxMonthlyLimitForNewMessages".into() };
    gateway.outbox.on_send_news(&client(), None, vec![SendNews { id: accepted.message_id, address: chat(), what }]).await.expect("noted");
    let row = gateway.until(&accepted.id, RowState::NotSent).await;
    assert_eq!(row.code, Some(FailureCode::Restricted));
    assert!(row.reason.expect("reason").contains("475"));
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_page_whole_and_an_answer_to_nothing_is_not_sent() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let place = Content::Location(Location { latitude: 52.5, longitude: -13.4, name: Some("Home".into()) });
    let first = gateway.outbox.accept(SendRequest { content: Requested::Content(place.clone()), ..request("", None) }).await.expect("accepted");
    gateway.until(&first.id, RowState::Sending).await;

    let answer = |target: &MessageId| SendRequest { reply_to: Some(target.clone()), ..request("yes", None) };
    let lost = gateway.outbox.accept(answer(&MessageId("3EB0FF".into()))).await.expect("accepted");
    let row = gateway.until(&lost.id, RowState::NotSent).await;
    assert_eq!((row.code, row.message_key), (Some(FailureCode::QuoteNotFound), None));
    assert!(row.reason.is_some_and(|reason| reason.contains("3EB0FF")));
    let found = gateway.outbox.accept(answer(&first.message_id)).await.expect("accepted");
    gateway.until_stored(&found.id).await;

    let got = whatsapp.got.lock().expect("lock").clone();
    assert_eq!(got.iter().map(|send| &send.id).collect::<Vec<_>>(), [&first.message_id, &lost.message_id, &found.message_id]);
    assert_eq!((&got[0].content, &got[2].reply_to), (&place, &Some(first.message_id)));
}

#[tokio::test]
async fn a_kind_that_cannot_be_sent_is_refused_whoever_made_it_and_nothing_is_stored() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let template = RenderRequest { template: "poll".into(), locale: None, variables: std::collections::BTreeMap::new() };
    for content in [Requested::Content(poll()), Requested::Template(template)] {
        let refused = gateway.outbox.accept(SendRequest { content, ..request("", Some("k")) }).await;
        assert_eq!(refused, Err(AcceptError::KindNotSupported { kind: "poll" }));
    }
    gateway.outbox.accept(request("hello", Some("k"))).await.expect("a refused request used up no key");
}
