mod account;
mod arrivals;
mod passkey;

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    config,
    model::{Account, Address, Content, InboundMessage, Location, MessageId, PhoneNumber, Recipient, Restriction, RestrictionKind, told},
    session::{Arrival, PasskeyStep, Unread, handle::HealthNote},
    whatsapp::{
        BrowserReport, Capability, ContractReport, Found, LaunchError, Launched, PageError, PageEvent, PageSend, PageStatus, PairingCode,
        PasskeyOrder, SendNews, Stored, TimeLock,
    },
};

/// A page that is what the test says it is.
#[derive(Debug, Default)]
struct ScriptedPage {
    contract: Mutex<ContractReport>,
    status: Mutex<Option<PageStatus>>,
    log: Mutex<Vec<&'static str>>,
    browser: Mutex<BrowserReport>,
    caught_up: Mutex<Vec<Timestamp>>,
    recorded: AtomicUsize,
}

#[async_trait]
impl Page for ScriptedPage {
    async fn status(&self) -> Result<PageStatus, PageError> {
        let status = self.status.lock().expect("lock").clone();
        status.ok_or(PageError::Timeout { what: "status", limit: Duration::from_secs(1) })
    }
    async fn contract(&self) -> Result<ContractReport, PageError> {
        Ok(self.contract.lock().expect("lock").clone())
    }
    async fn resolve(&self, _: &PhoneNumber) -> Result<Option<Address>, PageError> {
        Ok(None)
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
    async fn send(&self, _: &PageSend) -> Result<Stored, PageError> {
        Err(PageError::Refused { what: "send", reason: "not in this test".into() })
    }
    async fn find(&self, _: &MessageId, _: &str) -> Result<Option<Found>, PageError> {
        Ok(None)
    }
    async fn resend(&self, _: &MessageId, _: &str) -> Result<(), PageError> {
        Ok(())
    }
    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError> {
        self.caught_up.lock().expect("lock").push(since);
        Ok(())
    }
    async fn recorded(&self, messages: usize) -> Result<(), PageError> {
        self.recorded.fetch_add(messages, Ordering::Relaxed);
        Ok(())
    }
    async fn refresh_qr(&self) -> Result<(), PageError> {
        self.log.lock().expect("lock").push("refresh_qr");
        Ok(())
    }
    async fn pairing_code(&self, _: &PhoneNumber) -> Result<PairingCode, PageError> {
        Ok(PairingCode { code: "SECR-ETCD".into(), ttl: Duration::from_secs(180) })
    }
    async fn cancel_pairing(&self) -> Result<(), PageError> {
        Ok(())
    }
    async fn passkey(&self, order: &PasskeyOrder) -> Result<(), PageError> {
        self.log.lock().expect("lock").push(match order {
            PasskeyOrder::Answer { .. } => "answer",
            PasskeyOrder::Confirm => "confirm",
            PasskeyOrder::Expire => "expire",
            PasskeyOrder::Again => "again",
            PasskeyOrder::Cancel => "cancel",
        });
        Ok(())
    }
    async fn logout(&self) -> Result<(), PageError> {
        Ok(())
    }
    async fn reload(&self) -> Result<(), PageError> {
        self.log.lock().expect("lock").push("reload");
        Ok(())
    }
    async fn browser(&self) -> BrowserReport {
        self.browser.lock().expect("lock").clone()
    }
    async fn close(&self) {
        self.log.lock().expect("lock").push("close");
    }
}

/// Hands out pages, and the other end of their news.
#[derive(Debug, Default)]
struct ScriptedLauncher {
    page: Arc<ScriptedPage>,
    news: Mutex<Vec<mpsc::Sender<PageEvent>>>,
    failures: Mutex<Vec<LaunchError>>,
    /// Launches that hang until they are let go on.
    hanging: AtomicU64,
    goes_on: tokio::sync::Notify,
}

impl ScriptedLauncher {
    fn tell(&self, event: PageEvent) {
        self.news.lock().expect("lock").last().expect("a page").try_send(event).expect("a listener with room");
    }
}

#[async_trait]
impl Launcher for ScriptedLauncher {
    async fn launch(&self, _: &ClientId) -> Result<Launched, LaunchError> {
        if let Some(error) = self.failures.lock().expect("lock").pop() {
            return Err(error);
        }
        if self.hanging.load(Ordering::Relaxed) > 0 {
            self.hanging.fetch_sub(1, Ordering::Relaxed);
            self.goes_on.notified().await;
        }
        let (sender, events) = mpsc::channel(1024);
        self.news.lock().expect("lock").push(sender);
        let page: Arc<dyn Page> = Arc::<ScriptedPage>::clone(&self.page);
        Ok(Launched { page, events })
    }
}

#[derive(Debug)]
struct Notes {
    /// Ids of messages and of sends, in the order in which something of them was noted.
    noted: Mutex<Vec<String>>,
    /// Messages are noted while there is a permit.
    turns: Semaphore,
    faults: Mutex<Vec<serde_json::Value>>,
    entered: Mutex<Vec<SessionState>>,
    codes: Mutex<Vec<u32>>,
    pairing_codes: Mutex<Vec<u32>>,
    health: Mutex<Vec<bool>>,
    stuck: AtomicU64,
    told: Mutex<Option<Timestamp>>,
    full: AtomicBool,
    accounts: Mutex<Vec<Option<Account>>>,
    restrictions: Mutex<Vec<Restriction>>,
    passkey: Mutex<Vec<String>>,
    /// Panics at the next QR.
    panics: AtomicBool,
    /// Panics at the next transition.
    refuses: AtomicBool,
    /// Does not know what was told.
    unreadable: AtomicBool,
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
        assert!(!self.refuses.swap(false, Ordering::Relaxed), "of its own free will");
        self.entered.lock().expect("lock").push(transition.after);
    }
    async fn qr(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "of its own free will");
        self.codes.lock().expect("lock").push(attempt);
    }
    async fn pairing_code(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        self.pairing_codes.lock().expect("lock").push(attempt);
    }
    async fn passkey(&self, _: &ClientId, _: Option<&Account>, step: &PasskeyStep) {
        self.passkey.lock().expect("lock").push(serde_json::to_value(step).expect("JSON")["stage"].as_str().unwrap_or_default().to_owned());
    }
    async fn messages(&self, _: &ClientId, _: Option<&Account>, messages: Vec<Arrival>) -> bool {
        let _turn = self.turns.acquire().await;
        self.noted.lock().expect("lock").extend(messages.into_iter().map(|arrival| arrival.message.id.0));
        !self.full.load(Ordering::Relaxed)
    }
    async fn fault(&self, _: &ClientId, _: Option<&Account>, fault: &told::Fault) {
        self.faults.lock().expect("lock").push(serde_json::to_value(fault).expect("JSON"));
    }
    async fn told_until(&self, _: &ClientId, _: &Account) -> Result<Option<Timestamp>, Unread> {
        if self.unreadable.load(Ordering::Relaxed) { Err(Unread) } else { Ok(*self.told.lock().expect("lock")) }
    }
    async fn all_told(&self, _: &ClientId, _: &Account, at: Timestamp) {
        *self.told.lock().expect("lock") = Some(at);
    }
    async fn send_news(&self, _: &ClientId, _: Option<&Account>, news: Vec<SendNews>) {
        self.noted.lock().expect("lock").extend(news.into_iter().map(|news| news.id.0));
    }
    fn outcome_awaited(&self) -> bool {
        true
    }
    async fn time_lock(&self, _: &ClientId, _: Option<&Account>, lock: Option<TimeLock>) {
        let restriction = Restriction { kind: RestrictionKind::ReachOutTimeLock, since: Timestamp(0), until: Timestamp(86_400_000) };
        *self.restrictions.lock().expect("lock") = if lock.is_some() { vec![restriction] } else { vec![] };
    }
    async fn restrictions(&self, _: &ClientId) -> Vec<Restriction> {
        self.restrictions.lock().expect("lock").clone()
    }
    async fn notices(&self, _: &ClientId, _: Option<&Account>, _: &[String]) {}
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

struct Rig {
    launcher: Arc<ScriptedLauncher>,
    notes: Arc<Notes>,
    handle: SessionHandle,
}

fn rig(failures: Vec<LaunchError>) -> Rig {
    beside(&Arc::new(Semaphore::new(1)), ScriptedLauncher { failures: Mutex::new(failures), ..ScriptedLauncher::default() })
}

/// A session that shares the right to start with others.
fn beside(starts: &Arc<Semaphore>, launcher: ScriptedLauncher) -> Rig {
    let launcher = Arc::new(launcher);
    *launcher.page.contract.lock().expect("lock") = report(true);
    let notes = Arc::new(Notes::default());
    let handle = spawn(Parts {
        client: "test".parse().expect("a client id"),
        launcher: Arc::<ScriptedLauncher>::clone(&launcher),
        journal: Arc::<Notes>::clone(&notes),
        rules: Rules::new(&config::Sessions::default(), &config::WhatsApp::default()),
        health_interval: Duration::from_secs(60),
        limits: Limits { ack_watchdog: Duration::from_secs(120), memory_hard: 2 << 30, ..Limits::default() },
        starts: Arc::clone(starts),
        linked: false,
        wanted: true,
    });
    Rig { launcher, notes, handle }
}

impl Rig {
    async fn reaches(&self, state: SessionState) -> Snapshot {
        let mut snapshot = self.handle.snapshot();
        let reached = tokio::time::timeout(Duration::from_hours(10), snapshot.wait_for(|snapshot| snapshot.state == state)).await;
        reached.unwrap_or_else(|_| panic!("never {state}, but {:?}", self.handle.snapshot().borrow().state)).expect("a supervisor").clone()
    }

    /// Waits until the page of launch `n` can be told things.
    async fn launched(&self, n: u64) {
        self.handle.snapshot().wait_for(|snapshot| snapshot.launches == n).await.expect("a supervisor");
        while self.launcher.news.lock().expect("lock").len() < usize::try_from(n).expect("small") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn report(ok: bool) -> ContractReport {
    let missing = if ok { vec![] } else { vec!["WAWebSendMsgChatAction.addAndSendMsgToChat".to_owned()] };
    let capability = Capability { name: "send_text".into(), ok, missing, ..Capability::default() };
    ContractReport { version: Some("2.3000.1".into()), capabilities: vec![capability], ..ContractReport::default() }
}

fn ready_status() -> PageStatus {
    let connected = || Some("CONNECTED".to_owned());
    PageStatus { socket: connected(), stream: connected(), mode: Some("MAIN".into()), registered: true, has_synced: true, ..PageStatus::default() }
}

#[tokio::test(start_paused = true)]
async fn a_session_links_sends_and_closes_its_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Qr { code: "secret".into(), ttl: Duration::from_secs(60) });
    let shown = rig.reaches(SessionState::QrReady).await;
    assert!(!format!("{shown:?}").contains("secret"), "a QR is a credential");
    assert!(rig.handle.ready_page().borrow().is_none());
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let ready = rig.reaches(SessionState::Ready).await;
    assert!(ready.contract.is_some());
    rig.handle.ready_page().wait_for(Option::is_some).await.expect("a supervisor");
    assert_eq!(rig.handle.snapshot().borrow().qr, None);
    rig.handle.tell(Command::Shutdown).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"]);
    assert!(rig.handle.ready_page().borrow().is_none());
    assert_eq!(*rig.notes.codes.lock().expect("lock"), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_hangs_holds_up_no_other_session() {
    let starts = Arc::new(Semaphore::new(1));
    let hanging = beside(&starts, ScriptedLauncher { hanging: AtomicU64::new(1), ..ScriptedLauncher::default() });
    hanging.handle.snapshot().wait_for(|snapshot| snapshot.launches == 1).await.expect("a supervisor");
    // Its launch has begun and holds the one permit.
    while starts.available_permits() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    let other = beside(&starts, ScriptedLauncher::default());
    other.launched(1).await;
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    assert_eq!(hanging.handle.snapshot().borrow().launches, 1, "that one still hangs");
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_comes_up_when_its_supervisor_is_gone_is_closed_before_the_next_one() {
    let rig = beside(&Arc::new(Semaphore::new(2)), ScriptedLauncher { hanging: AtomicU64::new(1), ..ScriptedLauncher::default() });
    rig.handle.snapshot().wait_for(|snapshot| snapshot.launches == 1).await.expect("a supervisor");
    while rig.launcher.hanging.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.notes.refuses.store(true, Ordering::Relaxed);
    // It breaks off while it stops, so the next one rests until it is told to start.
    rig.handle.tell(Command::Stop).await;
    rig.handle.tell(Command::Start).await;
    rig.handle.snapshot().wait_for(|snapshot| snapshot.launches == 2).await.expect("a supervisor");
    assert_eq!(rig.launcher.news.lock().expect("lock").len(), 0, "the profile is not free yet");
    rig.launcher.goes_on.notify_one();
    rig.launched(2).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"]);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_panics_begins_anew_with_another_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.notes.panics.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Qr { code: "secret".into(), ttl: Duration::from_secs(60) });
    rig.launched(2).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"], "the browser of the one before is gone");
    assert!(rig.notes.entered.lock().expect("lock").contains(&SessionState::Disconnected));
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.handle.tell(Command::Shutdown).await;
    assert_eq!(rig.handle.snapshot().borrow().state, SessionState::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_pairing_code_stands_in_for_the_qr_until_it_ends() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    let number = "4915112345678".parse::<PhoneNumber>().expect("number");
    let early = rig.handle.pairing_code(&number).await.expect_err("no page waits yet");
    assert!(early.to_string().contains("the session is loading (started)"), "{early}");
    rig.launcher.tell(PageEvent::Qr { code: "secret".into(), ttl: Duration::from_secs(60) });
    rig.reaches(SessionState::QrReady).await;
    let asked = rig.handle.pairing_code(&number).await.expect("a code");
    assert_eq!((asked.code.as_str(), asked.attempt), ("SECR-ETCD", 1));

    let code = |text: &str| PageEvent::PairingCode(PairingCode { code: text.into(), ttl: Duration::from_secs(180) });
    let mut snapshot = rig.handle.snapshot();
    for (attempt, text) in [(1, "SECR-ETCD"), (2, "SECR-ETCE")] {
        rig.launcher.tell(code(text));
        let now = snapshot.wait_for(|now| now.pairing.as_ref().is_some_and(|code| code.attempt == attempt)).await.expect("a supervisor").clone();
        assert!(now.qr.is_none() && now.state == SessionState::QrReady, "{now:?}");
        assert!(!format!("{now:?}").contains("SECR"), "a code is a credential");
    }
    let waiting = PageStatus { socket: Some("UNPAIRED_IDLE".into()), ..PageStatus::default() };
    *rig.launcher.page.status.lock().expect("lock") = Some(waiting);
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(!rig.launcher.page.log.lock().expect("lock").contains(&"refresh_qr"), "a batch of QR codes would spoil the code");
    rig.launcher.tell(PageEvent::PairingEnded("cancelled".into()));
    snapshot.wait_for(|now| now.pairing.is_none()).await.expect("a supervisor");
    rig.launcher.tell(code("SECR-ETCF"));
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let ready = rig.reaches(SessionState::Ready).await;
    assert!(ready.pairing.is_none(), "it has done its work");
    assert_eq!(*rig.notes.pairing_codes.lock().expect("lock"), [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_contract_is_named_and_not_retried() {
    let rig = rig(vec![]);
    *rig.launcher.page.contract.lock().expect("lock") = report(false);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let broken = rig.reaches(SessionState::Error).await;
    assert!(broken.reason.contains("WAWebSendMsgChatAction.addAndSendMsgToChat") && broken.reason.contains("2.3000.1"), "{}", broken.reason);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_page_is_retried_by_the_rules_and_a_missing_browser_is_not() {
    let unreachable = LaunchError::Unreachable { url: "https://web.whatsapp.com/".into(), reason: "net::ERR_NAME_NOT_RESOLVED".into() };
    let rig = rig(vec![LaunchError::NoBrowser("install chromium".into()), unreachable]);
    let waiting = rig.reaches(SessionState::Reconnecting).await;
    assert!(waiting.reason.contains("cannot reach https://web.whatsapp.com/"), "{}", waiting.reason);
    let error = rig.reaches(SessionState::Error).await;
    assert!(error.reason.contains("install chromium"));
    rig.handle.tell(Command::Reconnect).await;
    rig.launched(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_answer_its_health_check_is_replaced() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert!(lost.reason.starts_with("health check"), "{}", lost.reason);
    assert_eq!(*rig.notes.health.lock().expect("lock"), [false]);
    rig.launched(2).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_two_pages_leaves_one_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Crashed("killed".into()));
    rig.launcher.tell(PageEvent::Closed("gone".into()));
    rig.launched(2).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"], "one launch, one close, and news of the old page is dropped");
    rig.handle.tell(Command::Stop).await;
    rig.reaches(SessionState::Disconnected).await;
    rig.handle.tell(Command::Shutdown).await;
    let entered = rig.notes.entered.lock().expect("lock").clone();
    assert_eq!(entered, [SessionState::Loading, SessionState::Reconnecting, SessionState::Loading, SessionState::Disconnected]);
}

#[tokio::test(start_paused = true)]
async fn sends_that_nobody_acknowledges_load_the_page_anew_and_then_the_browser() {
    let rig = rig(vec![]);
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.notes.stuck.store(3, Ordering::Relaxed);
    let anew = rig.reaches(SessionState::Loading).await;
    assert!(anew.reason.contains("3 sends") && anew.notices[0].starts_with("degraded"), "{anew:?}");
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["reload"]);
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert_eq!((lost.attempt, lost.launches), (1, 1));
    rig.launched(2).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let now = rig.handle.snapshot().borrow().clone();
    assert_eq!((now.state, now.launches), (SessionState::Ready, 2), "for sends that were there before no browser is started anew again");
    rig.notes.stuck.store(0, Ordering::Relaxed);
    let mut snapshot = rig.handle.snapshot();
    snapshot.wait_for(|now| now.notices.is_empty()).await.expect("a supervisor");
}

#[tokio::test(start_paused = true)]
async fn every_document_but_the_first_of_an_account_is_asked_for_what_was_missed() {
    let status = PageStatus { account: Some(Account { pn: Some("1@c.us".into()), ..Account::default() }), ..ready_status() };
    let rig = rig(vec![]);
    let asked = || rig.launcher.page.caught_up.lock().expect("lock").clone();
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(status.clone()));
    rig.reaches(SessionState::Ready).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(status.clone());
    while rig.notes.health.lock().expect("lock").is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(asked(), [], "nothing was missed before the account was known");
    let told = rig.notes.told.lock().expect("lock").expect("noted");
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(status));
    while asked().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(asked(), [told.minus(Duration::from_secs(600))], "once, and with a margin");
    rig.launcher.tell(PageEvent::CaughtUp { complete: Some(true) });

    rig.notes.full.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Message(inbound()));
    while asked().len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_stays_due_while_nobody_knows_what_was_told() {
    let status = PageStatus { account: Some(Account { pn: Some("1@c.us".into()), ..Account::default() }), ..ready_status() };
    let rig = rig(vec![]);
    let asked = || rig.launcher.page.caught_up.lock().expect("lock").clone();
    *rig.notes.told.lock().expect("lock") = Some(Timestamp(700_000));
    rig.notes.unreadable.store(true, Ordering::Relaxed);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(status.clone()));
    rig.reaches(SessionState::Ready).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(status);
    while rig.notes.health.lock().expect("lock").len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((asked(), *rig.notes.told.lock().expect("lock")), (vec![], Some(Timestamp(700_000))), "nothing counts as told");
    rig.notes.unreadable.store(false, Ordering::Relaxed);
    while asked().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(asked(), [Timestamp(100_000)]);
}

fn inbound() -> InboundMessage {
    let address = Address { chat: "2@c.us".into(), pn: None, lid: None };
    InboundMessage {
        id: MessageId("3EB0".into()),
        chat: address.clone(),
        sender: address,
        from_me: false,
        push_name: None,
        sent_at: Timestamp(0),
        content: Content::Location(Location { latitude: 0.0, longitude: 0.0, name: None }),
        reply_to: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_browser_over_the_hard_limit_is_started_anew_with_the_reason() {
    let rig = rig(vec![]);
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    *rig.launcher.page.browser.lock().expect("lock") = BrowserReport { memory_bytes: Some(3 << 30), ..BrowserReport::default() };
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert!(lost.reason.contains("3072 MiB") && lost.reason.contains("2048 MiB"), "{}", lost.reason);
}

#[tokio::test(start_paused = true)]
async fn restrictions_are_notices_of_a_session_that_is_ready() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(PageStatus { time_lock: Some(TimeLock::default()), ..ready_status() }));
    rig.reaches(SessionState::Ready).await;
    let mut snapshot = rig.handle.snapshot();
    let noticed = snapshot.wait_for(|now| !now.notices.is_empty()).await.expect("a supervisor").notices.clone();
    assert!(noticed[0].contains("463"), "{noticed:?}");

    // A build of the page that cannot say is none that says no.
    rig.launcher.tell(PageEvent::Status(PageStatus { sync_percent: Some(7), ..ready_status() }));
    snapshot.wait_for(|now| now.page.as_ref().is_some_and(|page| page.sync_percent == Some(7))).await.expect("a supervisor");
    // Taken when the status was dealt with.
    rig.handle.tell(Command::Start).await;
    assert_eq!(rig.notes.restrictions.lock().expect("lock").len(), 1);
    rig.launcher.tell(PageEvent::Status(PageStatus { time_lock_known: true, ..ready_status() }));
    snapshot.wait_for(|now| now.notices.is_empty()).await.expect("a supervisor");
}
