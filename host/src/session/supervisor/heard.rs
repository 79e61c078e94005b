//! The events of a page that are not processed yet, and their order.
//!
//! Messages arrive in floods and no caller waits for one; a caller may wait for each
//! acknowledgement. So progress of sends, status and faults overtake waiting messages, but at least
//! one batch of messages is processed in between; all other events keep their place. Events that
//! arrive together are handed out together, so that they share a commit.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::done::Done;
use crate::{
    model::AckLevel,
    session::{Arrival, Journal},
    whatsapp::{PageEvent, SendNews, SendProgress},
};

/// The most acknowledgements or messages that are handed out at a time.
const TOGETHER: usize = 64;
/// How many events are searched for one that may overtake. A page never reports many more than its
/// window of messages.
const LOOKED_AT: usize = 1024;
/// How long an event that no caller waits for waits for others to share a commit with.
const LINGER: Duration = Duration::from_millis(20);

pub(super) struct Heard {
    events: mpsc::Receiver<PageEvent>,
    /// Events received and not yet handed out.
    waiting: VecDeque<PageEvent>,
    /// When the wait for further events ends, if all waiting events may wait.
    waits_until: Option<Instant>,
    /// Messages were overtaken since the last batch of them was handed out.
    overtaken: bool,
}

impl Heard {
    pub(super) fn new(events: mpsc::Receiver<PageEvent>) -> Self {
        Self {
            events,
            waiting: VecDeque::new(),
            waits_until: None,
            overtaken: false,
        }
    }

    /// The next event. Cancel safe: received events and the end of the wait are kept.
    pub(super) async fn next(&mut self, journal: &dyn Journal) -> Done {
        if self.waiting.is_empty() {
            self.more().await;
        }
        while self.waiting.len() < LOOKED_AT
            && let Ok(event) = self.events.try_recv()
        {
            self.waiting.push_back(event);
        }
        while (1..TOGETHER).contains(&self.waiting.len())
            && self.waiting.iter().all(|event| can_wait(event, journal))
        {
            let end = *self
                .waits_until
                .get_or_insert_with(|| Instant::now() + LINGER);
            match timeout_at(end, self.more()).await {
                Ok(came) if came > 0 => {}
                _ => break,
            }
        }
        self.waits_until = None;
        self.first()
            .unwrap_or_else(|| Done::Event(PageEvent::Closed("the browser is gone".into())))
    }

    /// Waits for more events and returns their number; 0 when there will be none.
    async fn more(&mut self) -> usize {
        let mut some = Vec::new();
        let came = self.events.recv_many(&mut some, TOGETHER).await;
        self.waiting.extend(some);
        came
    }

    fn first(&mut self) -> Option<Done> {
        let messages = self
            .waiting
            .iter()
            .take_while(|event| is_message(event))
            .count();
        let behind = self.waiting.get(messages);
        if messages > 0
            && (self.overtaken
                || !behind.is_some_and(|event| {
                    matches!(
                        event,
                        PageEvent::Send(_) | PageEvent::Status(_) | PageEvent::Fault(_)
                    )
                }))
        {
            self.overtaken = false;
            return Some(Done::Messages(
                self.waiting
                    .drain(..messages.min(TOGETHER))
                    .filter_map(arrival)
                    .collect(),
            ));
        }
        self.overtaken = messages > 0;
        if !matches!(behind, Some(PageEvent::Send(_))) {
            return self.waiting.remove(messages).map(Done::Event);
        }
        let (mut sends, mut at) = (Vec::new(), messages);
        while let Some(event) = self.waiting.get(at).filter(|_| sends.len() < TOGETHER) {
            match event {
                PageEvent::Send(_) => {
                    if let Some(PageEvent::Send(news)) = self.waiting.remove(at) {
                        sends.push(news);
                    }
                }
                event if is_message(event) => at += 1,
                _ => break,
            }
        }
        Some(Done::Sends(sends))
    }
}

fn is_message(event: &PageEvent) -> bool {
    matches!(event, PageEvent::Message(_) | PageEvent::Missed(_))
}

fn arrival(event: PageEvent) -> Option<Arrival> {
    match event {
        PageEvent::Message(message) => Some(Arrival {
            message,
            missed: false,
        }),
        PageEvent::Missed(message) => Some(Arrival {
            message,
            missed: true,
        }),
        _ => None,
    }
}

/// Whether an event may wait: no caller waits for an acknowledgement after the server's, and often
/// not for that one.
fn can_wait(event: &PageEvent, journal: &dyn Journal) -> bool {
    match event {
        PageEvent::Send(SendNews {
            what: SendProgress::Ack(level),
            ..
        }) => *level > AckLevel::Server || !journal.outcome_awaited(),
        _ => false,
    }
}
