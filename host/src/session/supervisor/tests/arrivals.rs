//! Messages that arrive, also in floods, and the events that must not wait behind them.

use super::*;
use crate::{
    model::AckLevel,
    whatsapp::{Fault, SendProgress},
};

fn message(n: usize) -> PageEvent {
    PageEvent::Message(InboundMessage {
        id: MessageId(n.to_string()),
        ..inbound()
    })
}

fn ack(id: &str) -> PageEvent {
    let address = Address {
        chat: "2@c.us".into(),
        pn: None,
        lid: None,
    };
    PageEvent::Send(SendNews {
        id: MessageId(id.into()),
        address,
        what: SendProgress::Ack(AckLevel::Server),
    })
}

fn known_account() -> PageStatus {
    PageStatus {
        account: Some(Account {
            pn: Some("1@c.us".into()),
            ..Account::default()
        }),
        ..ready_status()
    }
}

impl Rig {
    async fn ready(status: PageStatus) -> Self {
        let rig = rig(vec![]);
        *rig.launcher.page.status.lock().expect("lock") = Some(status.clone());
        rig.launched(1).await;
        rig.launcher.tell(PageEvent::Status(status));
        rig.reaches(SessionState::Ready).await;
        rig
    }

    fn noted(&self) -> Vec<String> {
        self.notes.noted.lock().expect("lock").clone()
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_hours(10), waiting)
            .await
            .unwrap_or_else(|_| panic!("never: {what}; {:?}", self.noted()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_noted_before_the_messages_that_wait_are_through() {
    let rig = Rig::ready(ready_status()).await;
    let turn = rig.notes.turns.acquire().await.expect("a turn");
    for n in 0..400 {
        rig.launcher.tell(message(n));
    }
    rig.launcher.tell(ack("first"));
    for n in 400..800 {
        rig.launcher.tell(message(n));
    }
    rig.launcher.tell(ack("second"));
    drop(turn);
    rig.until("all noted", || rig.noted().len() == 802).await;
    let noted = rig.noted();
    let place = |id: &str| noted.iter().position(|other| other == id).expect("noted");
    assert!(
        place("first") < place("second") && place("second") < 300,
        "behind {} messages",
        place("second")
    );
    let messages: Vec<_> = noted
        .iter()
        .filter_map(|id| id.parse::<usize>().ok())
        .collect();
    assert_eq!(
        messages,
        (0..800).collect::<Vec<_>>(),
        "each once, in order"
    );
    rig.until("the page knows", || {
        rig.launcher.page.recorded.load(Ordering::Relaxed) == 800
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_acknowledgements_does_not_hold_messages_up() {
    let rig = Rig::ready(ready_status()).await;
    let turn = rig.notes.turns.acquire().await.expect("a turn");
    // The supervisor waits in the journal with the first one.
    rig.launcher.tell(message(0));
    rig.launcher.tell(message(1));
    for n in 0..800 {
        rig.launcher.tell(ack(&format!("ack {n}")));
    }
    drop(turn);
    rig.until("all noted", || rig.noted().len() == 802).await;
    let place = rig.noted().iter().position(|id| id == "1").expect("noted");
    assert!(place < 200, "the message stood behind {place}");
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_document_stays_behind_the_messages_of_the_one_before() {
    let rig = Rig::ready(ready_status()).await;
    for n in 0..100 {
        rig.launcher.tell(message(n));
    }
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let entered = || {
        rig.notes
            .entered
            .lock()
            .expect("lock")
            .iter()
            .filter(|state| **state == SessionState::Loading)
            .count()
    };
    rig.until("loaded anew", || entered() == 2).await;
    assert_eq!(rig.noted().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_in_the_page_is_not_taken_for_told() {
    let rig = Rig::ready(known_account()).await;
    let told = || *rig.notes.told.lock().expect("lock");
    rig.until("noted", || told().is_some()).await;
    let since = Timestamp::now().minus(Duration::from_secs(3600));
    *rig.launcher.page.status.lock().expect("lock") = Some(PageStatus {
        untold_since: Some(since),
        ..known_account()
    });
    rig.until("noted again", || told() == Some(since)).await;
}

#[tokio::test(start_paused = true)]
async fn catching_up_ends_when_the_page_says_so_and_is_asked_for_again_when_something_was_not_read()
{
    let rig = Rig::ready(known_account()).await;
    let told = || *rig.notes.told.lock().expect("lock");
    let asked = || rig.launcher.page.caught_up.lock().expect("lock").len();
    rig.until("noted", || told().is_some()).await;
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(known_account()));
    rig.until("asked", || asked() == 1).await;
    *rig.notes.told.lock().expect("lock") = Some(Timestamp(1));
    let checks = || rig.notes.health.lock().expect("lock").len();
    let before = checks();
    rig.until("a health check", || checks() > before + 1).await;
    assert_eq!((told(), asked()), (Some(Timestamp(1)), 1), "it goes on");
    for n in 2..=3 {
        rig.launcher.tell(PageEvent::CaughtUp { complete: None });
        rig.until("asked again", || asked() == n).await;
    }
    rig.launcher.tell(PageEvent::CaughtUp { complete: None });
    rig.until("given up", || told() != Some(Timestamp(1))).await;
    assert_eq!(asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_an_event_once_and_a_notice_until_it_is_over() {
    let rig = Rig::ready(ready_status()).await;
    for _ in 0..3 {
        rig.launcher.tell(PageEvent::Fault(Fault {
            place: "take".into(),
            error: "TypeError".into(),
            count: 2,
        }));
    }
    let mut snapshot = rig.handle.snapshot();
    let noticed = snapshot
        .wait_for(|now| !now.notices.is_empty())
        .await
        .expect("a supervisor")
        .notices
        .clone();
    assert!(noticed[0].contains("take: TypeError"), "{noticed:?}");
    snapshot
        .wait_for(|now| now.notices.is_empty())
        .await
        .expect("a supervisor");
    let told = rig.notes.faults.lock().expect("lock").clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["place"], &told[0]["error"], &told[0]["count"]),
        (&"take".into(), &"TypeError".into(), &2.into())
    );
}
