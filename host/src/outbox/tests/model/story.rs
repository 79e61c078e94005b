//! Random events that can happen to the outbox.

use proptest::prelude::*;

use crate::outbox::tests::fake::Death;

#[derive(Debug, Clone)]
pub(super) enum Happens {
    /// A message is accepted, perhaps under a key that is used again.
    Accept {
        chat: u8,
        bulk: bool,
        key: Option<u8>,
    },
    /// The sender makes a pass over the queue.
    Pass,
    /// The next message on the fast path is handed to the page, or lost before that.
    Given { lost: bool },
    /// The page sends the first message of its queue and the server acknowledges it; the gateway
    /// may miss that.
    Ack { missed: bool },
    /// The server refuses the first message of the page's queue; the gateway may miss that.
    Nack { missed: bool },
    /// Acknowledgements are overdue.
    Timeout,
    /// The gateway is killed and started again, with a new page.
    Crash,
    /// The page dies at the next message.
    PageDies(Death),
    /// The answer to the next message is lost although the page lives on. The page may have stored
    /// the message.
    AnswerLost { stored: bool },
    /// The page refuses the next message before it stores it, for good or because it is still
    /// loading.
    Refuses { for_good: bool },
    /// A new page replaces the current one.
    NewPage,
    /// The caller cancels a message.
    Cancel(usize),
    /// The caller retries a message.
    Retry(usize),
    /// Look-ups of numbers begin or cease to fail.
    LookupsFail(bool),
    /// WhatsApp restricts messages to strangers, or lifts that.
    Locked(bool),
    /// A person writes to the session.
    Writes(u8),
    /// The sender handles its timers, which puts parked messages back into the queue if they may be
    /// sent.
    Clock,
}

pub(super) fn happens() -> impl Strategy<Value = Happens> {
    let accept = (0..3_u8, any::<bool>(), prop::option::weighted(0.3, 0..4_u8))
        .prop_map(|(chat, bulk, key)| Happens::Accept { chat, bulk, key });
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
