//! What a page has said and nobody has looked at yet, and which of it comes first.
//!
//! Messages come in floods and nobody waits for one; somebody may wait for each acknowledgement. So
//! news of sends, and what the page says of itself, overtake the messages that wait, one batch of
//! them at least in between; everything else keeps its place. What comes together is handed out
//! together, so that it shares a commit.

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

/// News of sends, or messages, handed out at a time.
const TOGETHER: usize = 64;
/// News that are looked through for what comes first; there is never more of it than messages a
/// page tells ahead, and a few.
const LOOKED_AT: usize = 1024;
/// What nobody waits for waits so long for company.
const LINGER: Duration = Duration::from_millis(20);

pub(super) struct Heard {
    events: mpsc::Receiver<PageEvent>,
    /// Taken from there, not yet handed out.
    waiting: VecDeque<PageEvent>,
    /// All that was heard waits for company, at the longest until then.
    waits_until: Option<Instant>,
    /// Messages were overtaken since the last of them was handed out.
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

    /// The next news. May be dropped at any `await` and begun anew: what was heard is kept, and so
    /// is the end of the wait.
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

    /// Waits for more; how much came. 0: there will be no more.
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

/// Nobody waits for what comes after the server's acknowledgement, and often not for that.
fn can_wait(event: &PageEvent, journal: &dyn Journal) -> bool {
    match event {
        PageEvent::Send(SendNews {
            what: SendProgress::Ack(level),
            ..
        }) => *level > AckLevel::Server || !journal.outcome_awaited(),
        _ => false,
    }
}
