//! What can happen to the outbox, drawn at random.

use proptest::prelude::*;

use crate::outbox::tests::fake::Death;

#[derive(Debug, Clone)]
pub(super) enum Happens {
    /// To a chat, as a bulk message or not, perhaps under a key that is used again.
    Accept {
        chat: u8,
        bulk: bool,
        key: Option<u8>,
    },
    /// The sender sends what it can.
    Pass,
    /// The next one on the fast path is given to the page, or lost before.
    Given { lost: bool },
    /// The page sends the first of its queue and the server takes it; the gateway may miss the
    /// news.
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
    /// The page refuses the next message before it stores it, for good or because it is being
    /// loaded.
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
