mod account;
mod passkey;

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    config,
    model::{Account, Address, Content, InboundMessage, Location, MessageId, PhoneNumber, Restriction, RestrictionKind},
    session::handle::HealthNote,
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
    async fn established(&self, _: &[PhoneNumber]) -> Result<Vec<PhoneNumber>, PageError> {
        Ok(vec![])
    }
    async fn typing(&self, _: &str, _: Duration) -> Result<(), PageError> {
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
    async fn catch_up(&self, since: Timestamp) -> Result<bool, PageError> {
        self.caught_up.lock().expect("lock").push(since);
        Ok(true)
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
    news: Mutex<Vec<mpsc::UnboundedSender<PageEvent>>>,
    failures: Mutex<Vec<LaunchError>>,
}

impl ScriptedLauncher {
    fn tell(&self, event: PageEvent) {
        self.news.lock().expect("lock").last().expect("a page").send(event).expect("a listener");
    }
}

#[async_trait]
impl Launcher for ScriptedLauncher {
    async fn launch(&self, _: &ClientId) -> Result<Launched, LaunchError> {
        if let Some(error) = self.failures.lock().expect("lock").pop() {
            return Err(error);
        }
        let (sender, events) = mpsc::unbounded_channel();
        self.news.lock().expect("lock").push(sender);
        let page: Arc<dyn Page> = Arc::<ScriptedPage>::clone(&self.page);
        Ok(Launched { page, events })
    }
}

#[derive(Debug, Default)]
struct Notes {
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
}

#[async_trait]
impl Journal for Notes {
    async fn entered(&self, transition: &Transition, _: Option<&Account>, _: bool) {
        self.entered.lock().expect("lock").push(transition.after);
    }
    async fn qr(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        self.codes.lock().expect("lock").push(attempt);
    }
    async fn pairing_code(&self, _: &ClientId, _: &str, _: Timestamp, attempt: u32) {
        self.pairing_codes.lock().expect("lock").push(attempt);
    }
    async fn passkey(&self, _: &ClientId, _: Option<&Account>, step: &serde_json::Value) {
        self.passkey.lock().expect("lock").push(step["stage"].as_str().unwrap_or_default().to_owned());
    }
    async fn message(&self, _: &ClientId, _: Option<&Account>, _: InboundMessage, _: bool) -> bool {
        !self.full.load(Ordering::Relaxed)
    }
    async fn told_until(&self, _: &ClientId, _: &Account) -> Option<Timestamp> {
        *self.told.lock().expect("lock")
    }
    async fn all_told(&self, _: &ClientId, _: &Account, at: Timestamp) {
        *self.told.lock().expect("lock") = Some(at);
    }
    async fn send_news(&self, _: &ClientId, _: Option<&Account>, _: Vec<SendNews>) {}
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
    let launcher = Arc::new(ScriptedLauncher { failures: Mutex::new(failures), ..ScriptedLauncher::default() });
    *launcher.page.contract.lock().expect("lock") = report(true);
    let notes = Arc::new(Notes::default());
    let handle = spawn(Parts {
        client: "test".parse().expect("a client id"),
        launcher: Arc::<ScriptedLauncher>::clone(&launcher),
        journal: Arc::<Notes>::clone(&notes),
        rules: Rules::new(&config::Sessions::default(), &config::WhatsApp::default()),
        health_interval: Duration::from_secs(60),
        limits: Limits { ack_watchdog: Duration::from_secs(120), memory_hard: 2 << 30, ..Limits::default() },
        starts: Arc::new(Semaphore::new(1)),
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
async fn a_pairing_code_stands_in_for_the_qr_until_it_ends() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    let number = PhoneNumber::parse("4915112345678", None).expect("number");
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

    rig.notes.full.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Message(inbound()));
    while asked().len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
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
}
