//! The bridge on the stand-in, in a real Chromium.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why"
)]

#[path = "bridge/flood.rs"]
mod flood;
#[path = "bridge/kinds.rs"]
mod kinds;
#[path = "bridge/linking.rs"]
mod linking;
#[path = "bridge/odd.rs"]
mod odd;
#[path = "bridge/passkey.rs"]
mod passkey;
#[path = "bridge/real.rs"]
mod real;
#[path = "bridge/texts.rs"]
mod texts;
#[path = "bridge/waves.rs"]
mod waves;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{sync::mpsc::Receiver, time::timeout};
use wharf::{
    browser::{Guard, SharedBrowser},
    config,
    model::{AckLevel, Address, ClientId, Content, InboundMessage, MessageId, PhoneNumber, Text},
    session::{profile_dir, shared_dir},
    whatsapp::{
        ChromiumLauncher, LaunchError, Launched, Launcher, Page, PageError, PageEvent, PageSend,
        SendProgress, Stage,
    },
};
use wharf_standin::{Account, Inbound, Options, Standin};

const LIMIT: Duration = Duration::from_secs(30);

struct TestPage {
    standin: Standin,
    dir: tempfile::TempDir,
    /// In the place of the bridge.
    script: Option<PathBuf>,
    /// In the place of a browser for each page.
    shared: Option<Arc<SharedBrowser>>,
}

struct Open {
    page: Arc<dyn Page>,
    events: Receiver<PageEvent>,
}

async fn test_page(settings: serde_json::Value) -> TestPage {
    let settings = wharf_standin::Settings::default()
        .patched(settings)
        .expect("settings");
    let standin = Standin::start(Options {
        settings,
        ..Options::default()
    })
    .await
    .expect("stand-in");
    TestPage {
        standin,
        dir: tempfile::tempdir().expect("tempdir"),
        script: None,
        shared: None,
    }
}

fn launcher(
    url: String,
    root: &Path,
    script: Option<PathBuf>,
    shared: Option<Arc<SharedBrowser>>,
) -> ChromiumLauncher {
    let whatsapp = config::WhatsApp {
        url,
        bridge_script: script,
        ..config::WhatsApp::default()
    };
    let guard = Guard {
        program: env!("CARGO_BIN_EXE_wharf").into(),
        args: vec!["guard".into()],
    };
    ChromiumLauncher::new(
        whatsapp,
        config::Browser::default(),
        root.to_owned(),
        |root, client| Ok(profile_dir(root, client)),
        guard,
        shared,
    )
}

impl TestPage {
    async fn open(&self) -> Open {
        let client: ClientId = "bridge".parse().expect("client id");
        let launcher = launcher(
            self.standin.url(),
            self.dir.path(),
            self.script.clone(),
            self.shared.clone(),
        );
        let Launched { page, events } = launcher.launch(&client).await.expect("launched");
        Open { page, events }
    }

    async fn link(&self, account: Account) -> Open {
        let mut open = self.open().await;
        let PageEvent::Qr { code, .. } = open
            .until("a QR", |event| matches!(event, PageEvent::Qr { .. }))
            .await
        else {
            unreachable!()
        };
        self.standin
            .scan(Some(&code), account)
            .await
            .expect("scanned");
        open.ready().await;
        open
    }
}

impl Open {
    /// The next event. Messages are confirmed to the page as recorded.
    async fn next(&mut self) -> PageEvent {
        let event = self.events.recv().await.expect("the page lives");
        if matches!(event, PageEvent::Message(_) | PageEvent::Missed(_)) {
            self.page.recorded(1).await.expect("told");
        }
        event
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&PageEvent) -> bool) -> PageEvent {
        let mut others = Vec::new();
        let waiting = async {
            loop {
                let event = self.next().await;
                if wanted(&event) {
                    return event;
                }
                others.push(event);
            }
        };
        timeout(LIMIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("no {what}, but {others:?}"))
    }

    async fn ready(&mut self) {
        self.until(
            "ready status",
            |event| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Ready),
        )
        .await;
    }

    async fn code(&mut self) -> String {
        let event = self
            .until("a pairing code", |event| {
                matches!(event, PageEvent::PairingCode(_))
            })
            .await;
        let PageEvent::PairingCode(code) = event else {
            unreachable!()
        };
        code.code
    }

    async fn progress(&mut self, id: &MessageId) -> SendProgress {
        let news = self
            .until(
                "news of the send",
                |event| matches!(event, PageEvent::Send(news) if news.id == *id),
            )
            .await;
        let PageEvent::Send(news) = news else {
            unreachable!()
        };
        news.what
    }

    async fn send(
        &self,
        id: &MessageId,
        chat: &str,
        body: &str,
    ) -> Result<wharf::whatsapp::Stored, PageError> {
        self.put(id, chat, Content::text(body), None).await
    }

    async fn put(
        &self,
        id: &MessageId,
        chat: &str,
        content: Content,
        reply_to: Option<&MessageId>,
    ) -> Result<wharf::whatsapp::Stored, PageError> {
        self.page
            .send(&PageSend {
                id: id.clone(),
                chat: chat.into(),
                content,
                reply_to: reply_to.cloned(),
            })
            .await
    }

    async fn message(&mut self) -> InboundMessage {
        let PageEvent::Message(message) = self
            .until("a message", |event| matches!(event, PageEvent::Message(_)))
            .await
        else {
            unreachable!()
        };
        message
    }

    async fn resolve(&self, number: &str) -> Result<Option<Address>, PageError> {
        self.page
            .resolve(&PhoneNumber::read(number, None).expect("number"))
            .await
    }
}

fn id(n: u8) -> MessageId {
    MessageId::from_random([n; 9])
}

async fn sends_and_receives(lid_migrated: bool, hidden_serialized: bool) {
    let test_page = test_page(json!({"hiddenSerialized": hidden_serialized, "nacks": [], "notOnWhatsapp": ["4915100000000"]})).await;
    let mut open = test_page
        .link(Account {
            lid_migrated,
            ..Account::default()
        })
        .await;

    assert_eq!(
        open.resolve("4915100000000").await,
        Ok(None),
        "not on WhatsApp"
    );
    assert_eq!(
        open.resolve("10").await,
        Ok(None),
        "not even the shape of a number"
    );
    let address = open
        .resolve("+49 151 23456789")
        .await
        .expect("resolved")
        .expect("exists");
    assert_eq!(address.pn.as_deref(), Some("4915123456789@c.us"));
    assert_eq!(address.chat.ends_with("@lid"), lid_migrated, "{address:?}");

    let stored = open
        .send(&id(1), &address.chat, "first")
        .await
        .expect("stored");
    assert_eq!(
        (stored.key.clone(), stored.duplicate),
        (format!("true_{}_{}", address.chat, id(1)), false)
    );
    for level in [AckLevel::Server, AckLevel::Device, AckLevel::Read] {
        assert_eq!(open.progress(&id(1)).await, SendProgress::Ack(level));
    }
    assert!(
        open.send(&id(1), &address.chat, "again")
            .await
            .expect("known")
            .duplicate
    );
    let found = open
        .page
        .find(&id(1), "4915123456789@c.us")
        .await
        .expect("looked")
        .expect("found by the number form too");
    assert_eq!((found.ack, found.failed), (Some(AckLevel::Read), false));
    assert_eq!(open.page.find(&id(9), &address.chat).await, Ok(None));

    test_page.standin.set(json!({"nacks": [463]}));
    open.send(&id(2), &address.chat, "refused")
        .await
        .expect("stored");
    assert!(matches!(
        open.progress(&id(2)).await,
        SendProgress::Refused { .. }
    ));
    assert!(
        open.page
            .find(&id(2), &address.chat)
            .await
            .expect("looked")
            .expect("found")
            .failed
    );
    open.page
        .resend(&id(2), &address.chat)
        .await
        .expect("asked");
    while open.progress(&id(2)).await != SendProgress::Ack(AckLevel::Server) {}

    // A new chat begins with notices that are not messages; the text comes after them.
    let from = |body: &str| Inbound {
        from: "4917611111111".into(),
        body: body.into(),
        pushname: Some("Ann".into()),
        ..Inbound::default()
    };
    test_page
        .standin
        .inbound(Inbound {
            kind: Some("call_log".into()),
            ..from("")
        })
        .expect("sent");
    let first = test_page
        .standin
        .inbound(Inbound {
            ciphertext: true,
            ..from("hello")
        })
        .expect("sent");
    test_page
        .standin
        .inbound(Inbound {
            id: Some(first.clone()),
            ..from("hello")
        })
        .expect("redelivered");
    test_page
        .standin
        .inbound(Inbound {
            from_me: true,
            ..from("typed on the phone")
        })
        .expect("sent");
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        let message = open.message().await;
        assert_eq!(message.chat.pn.as_deref(), Some("4917611111111@c.us"));
        assert!(message.chat.lid.is_some() || !lid_migrated, "{message:?}");
        let Content::Text(text) = message.content else {
            panic!("{message:?}")
        };
        bodies.push((text.body, message.from_me));
    }
    bodies.sort();
    assert_eq!(
        bodies,
        [
            ("hello".to_owned(), false),
            ("typed on the phone".to_owned(), true)
        ]
    );

    let messages = test_page.standin.view().messages;
    assert_eq!(
        messages.iter().map(|m| m.transmissions).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        test_page.standin.view().reports,
        Vec::<String>::new(),
        "the bridge caused errors that the page reports"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_present_day_account_sends_and_receives() {
    sends_and_receives(true, false).await;
}

#[tokio::test]
async fn a_number_keyed_account_on_a_build_with_renamed_ids_sends_and_receives() {
    sends_and_receives(false, true).await;
}

#[tokio::test]
async fn what_a_build_lacks_is_named_and_only_that_is_refused() {
    let test_page =
        test_page(json!({"missing": ["WAWebQueryExistsJob", "WAWebMsgReply.canReplyMsg"]})).await;
    let open = test_page.link(Account::default()).await;
    let report = open.page.contract().await.expect("report");
    assert_eq!(report.version.as_deref(), Some("2.3000.1038137223"));
    let broken: Vec<_> = report
        .capabilities
        .iter()
        .filter(|c| !c.ok)
        .map(|c| (c.name.as_str(), c.missing.join(",")))
        .collect();
    let expected = [
        ("reply", "WAWebMsgReply.canReplyMsg".to_owned()),
        ("resolve", "WAWebQueryExistsJob.queryWidExists".to_owned()),
    ];
    let mut broken = broken;
    broken.sort();
    assert_eq!(broken, expected);
    assert!(
        matches!(open.resolve("4915123456789").await, Err(PageError::ContractBroken { missing, .. }) if missing.len() == 1)
    );
    open.send(&id(3), "4915123456789@c.us", "still works")
        .await
        .expect("stored");
    assert_eq!(
        test_page.standin.view().reports,
        Vec::<String>::new(),
        "probing must not be reported"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_reached_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let error = launcher("http://127.0.0.1:1/".into(), dir.path(), None, None)
        .launch(&"bridge".parse().expect("id"))
        .await
        .expect_err("nobody there");
    assert!(
        matches!(&error, LaunchError::Unreachable { url, reason } if url == "http://127.0.0.1:1/" && reason.contains("net::ERR_")),
        "{error}"
    );
}

/// In a browser that is shared nothing but the page itself ends what listens to it.
#[tokio::test]
async fn a_page_that_is_closed_leaves_no_task_in_a_shared_browser() {
    let mut test_page = test_page(json!({})).await;
    test_page.shared = Some(SharedBrowser::new(shared_dir(test_page.dir.path())));
    let other: ClientId = "other".parse().expect("client id");
    let first = launcher(
        test_page.standin.url(),
        test_page.dir.path(),
        None,
        test_page.shared.clone(),
    );
    let first = first.launch(&other).await.expect("launched");
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut counts = Vec::new();
    for _ in 0..4 {
        let open = test_page.open().await;
        open.page.close().await;
        drop(open);
        // What belongs to the connections of the stand-in ends by itself.
        tokio::time::sleep(Duration::from_secs(1)).await;
        counts.push(tasks());
    }
    assert!(
        counts.last() <= counts.first(),
        "with each page there are more: {counts:?}"
    );
    first.page.close().await;
}
