//! Flow control for the messages that a page reports.
//!
//! A page reports its messages in order, and only a limited number ahead of those that it knows to
//! be recorded. The rest waits in the page, where it is in memory anyway. So a flood of messages
//! fills no queue of the gateway and does not delay events that a caller waits for.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

/// The position of a message among those of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Ticket {
    /// Identifies the document.
    pub(super) page: String,
    /// Counts from 1.
    pub(super) number: u64,
}

/// Messages that were reported and are not yet recorded, in their order.
#[derive(Debug, Default)]
pub(super) struct Window(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// `None` stands for a message of a script that does not number its messages.
    waiting: VecDeque<Option<Ticket>>,
    recorded: Option<Ticket>,
}

impl Window {
    /// Notes a message that was reported.
    pub(super) fn told(&self, ticket: Option<Ticket>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .push_back(ticket);
    }

    /// Notes a message that cannot be read, so that nothing will be recorded for it: it counts as
    /// recorded together with the one before.
    pub(super) fn lost(&self, ticket: Option<Ticket>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ticket.is_some() {
            let told = &mut *told;
            *told.waiting.back_mut().unwrap_or(&mut told.recorded) = ticket;
        }
    }

    /// Notes that `messages` more are recorded; returns the last ticket of all that are.
    pub(super) fn recorded(&self, messages: usize) -> Option<Ticket> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = messages.min(told.waiting.len());
        if let Some(last) = told.waiting.drain(..messages).flatten().last() {
            told.recorded = Some(last);
        }
        told.recorded.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_is_recorded_is_named_and_named_again() {
        let window = Window::default();
        let ticket = |page: &str, number| {
            Some(Ticket {
                page: page.into(),
                number,
            })
        };
        assert_eq!(window.recorded(1), None, "nothing was told");
        for number in 1..=3 {
            window.told(ticket("a", number));
        }
        window.told(None);
        window.told(ticket("b", 1));
        assert_eq!(window.recorded(2), ticket("a", 2));
        assert_eq!(window.recorded(0), ticket("a", 2));
        assert_eq!(window.recorded(2), ticket("a", 3));
        window.lost(ticket("b", 2));
        assert_eq!(window.recorded(9), ticket("b", 2));
        window.lost(ticket("b", 3));
        assert_eq!(window.recorded(0), ticket("b", 3));
    }
}
