//! The supervisor with a scripted browser and a journal in memory: a [`Rig`].

mod account;
mod arrivals;
mod browsers;
mod care;
mod catch_up;
mod linking;
mod notes;
mod page;
mod passkey;

use std::sync::{Mutex, atomic::Ordering};

use self::{notes::Notes, page::ScriptedLauncher};
use super::*;
use crate::{
    config,
    model::{Account, Address, Content, InboundMessage, Location, MessageId},
    whatsapp::{
        Capability, ContractReport, LaunchError, PageError, PageEvent, PageStatus, SendNews,
        fake::Watch,
    },
};

struct Rig {
    launcher: Arc<ScriptedLauncher>,
    notes: Arc<Notes>,
    handle: SessionHandle,
    _watch: Watch,
}

fn rig(failures: Vec<LaunchError>) -> Rig {
    beside(
        &Arc::new(Semaphore::new(1)),
        ScriptedLauncher {
            failures: Mutex::new(failures),
            ..ScriptedLauncher::default()
        },
    )
}

/// A session that shares the permits to start with others.
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
        limits: Limits {
            ack_watchdog: Duration::from_secs(120),
            memory_hard: 2 << 30,
            ..Limits::default()
        },
        starts: Arc::clone(starts),
        linked: false,
        wanted: true,
    });
    let watch = launcher.page.unanswered.watch();
    Rig {
        launcher,
        notes,
        handle,
        _watch: watch,
    }
}

impl Rig {
    async fn reaches(&self, state: SessionState) -> Snapshot {
        let mut snapshot = self.handle.snapshot();
        let reached = tokio::time::timeout(
            Duration::from_hours(10),
            snapshot.wait_for(|snapshot| snapshot.state == state),
        )
        .await;
        reached
            .unwrap_or_else(|_| {
                panic!(
                    "never {state}, but {:?}",
                    self.handle.snapshot().borrow().state
                )
            })
            .expect("a supervisor")
            .clone()
    }

    /// Waits until the page of launch `n` can emit events.
    async fn launched(&self, n: u64) {
        self.handle
            .snapshot()
            .wait_for(|snapshot| snapshot.launches == n)
            .await
            .expect("a supervisor");
        while self.launcher.news.lock().expect("lock").len() < usize::try_from(n).expect("small") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn report(ok: bool) -> ContractReport {
    let missing = if ok {
        vec![]
    } else {
        vec!["WAWebSendMsgChatAction.addAndSendMsgToChat".to_owned()]
    };
    let capability = Capability {
        name: "send_text".into(),
        ok,
        missing,
        ..Capability::default()
    };
    ContractReport {
        version: Some("2.3000.1".into()),
        capabilities: vec![capability],
        ..ContractReport::default()
    }
}

fn ready_status() -> PageStatus {
    let connected = || Some("CONNECTED".to_owned());
    PageStatus {
        socket: connected(),
        stream: connected(),
        mode: Some("MAIN".into()),
        registered: true,
        has_synced: true,
        ..PageStatus::default()
    }
}

fn inbound() -> InboundMessage {
    let address = Address {
        chat: "2@c.us".into(),
        pn: None,
        lid: None,
    };
    InboundMessage {
        id: MessageId("3EB0".into()),
        chat: address.clone(),
        sender: address,
        from_me: false,
        push_name: None,
        sent_at: Timestamp(0),
        content: Content::Location(Location {
            latitude: 0.0,
            longitude: 0.0,
            name: None,
        }),
        reply_to: None,
    }
}

#[tokio::test(start_paused = true)]
#[should_panic = "does not answer {\"logout\"}"]
async fn a_question_that_the_fake_does_not_answer_fails_its_test() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.handle.tell(Command::Logout).await;
    // The question is asked by a task of the supervisor, which absorbs the panic.
    while rig.handle.snapshot().borrow().state != SessionState::Disconnected {
        rig.handle.tell(Command::Shutdown).await;
    }
}
