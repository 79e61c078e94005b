//! Remembers which verdicts of monitored plugins were logged already.
//!
//! A waiting message is validated again, but its verdict is logged only once.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// The most verdicts that are remembered; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 1024;

/// The verdicts that were logged, as pairs of plugin and message.
#[derive(Debug, Default)]
pub(super) struct ReportedVerdicts(Mutex<VecDeque<(String, String)>>);

impl ReportedVerdicts {
    /// Whether this plugin's verdict about this message was not logged yet. It counts as logged
    /// from now on.
    pub(super) fn is_new(&self, plugin: &str, subject: &str) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reported
            .iter()
            .any(|(of, about)| of == plugin && about == subject)
        {
            return false;
        }
        if reported.len() == MAX_REMEMBERED {
            reported.pop_front();
        }
        reported.push_back((plugin.to_owned(), subject.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitored_refusal_is_news_once() {
        let reported = ReportedVerdicts::default();
        assert!(
            reported.is_new("a", "out_1")
                && reported.is_new("b", "out_1")
                && !reported.is_new("a", "out_1")
        );
        for n in 0..MAX_REMEMBERED {
            assert!(reported.is_new("a", &format!("out_x{n}")));
        }
        assert!(reported.is_new("a", "out_1"), "only so many are remembered");
    }
}
