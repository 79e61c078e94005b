//! Which refusals of monitored plugins were logged already.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// The most refusals that are remembered; the oldest are forgotten first.
const TOLD: usize = 1024;

/// Which monitored refusals were told: a message is judged again when it waited, and is one line of the log.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<VecDeque<(String, String)>>);

impl Told {
    /// Whether it is news that this plugin would have rejected this message.
    pub(super) fn is_new(&self, plugin: &str, subject: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().any(|(of, about)| of == plugin && about == subject) {
            return false;
        }
        if told.len() == TOLD {
            told.pop_front();
        }
        told.push_back((plugin.to_owned(), subject.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitored_refusal_is_news_once() {
        let told = Told::default();
        assert!(told.is_new("a", "out_1") && told.is_new("b", "out_1") && !told.is_new("a", "out_1"));
        for n in 0..TOLD {
            assert!(told.is_new("a", &format!("out_x{n}")));
        }
        assert!(told.is_new("a", "out_1"), "only so many are remembered");
    }
}
