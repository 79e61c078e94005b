//! A rate limit for calls with an unknown token, of all callers together. A token of 128 bits cannot
//! be guessed; the limit bounds the attempts all the same.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);

/// The number of calls in the present minute.
#[derive(Debug)]
pub(in crate::api) struct Limit {
    most: u32,
    now: Mutex<(Instant, u32)>,
}

impl Limit {
    /// Allows `most` calls per minute.
    pub(in crate::api) fn new(most: u32) -> Self {
        Self {
            most,
            now: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Counts a call. If the limit is reached, the error is the number of seconds after which to
    /// try again.
    pub(in crate::api) fn take(&self) -> Result<(), u64> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, count) = &mut *now;
        if began.elapsed() >= WINDOW {
            (*began, *count) = (Instant::now(), 0);
        }
        if *count >= self.most {
            return Err(WINDOW.saturating_sub(began.elapsed()).as_secs().max(1));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_calls_and_the_next_one_has_as_many() {
        let limit = Limit::new(2);
        assert!(limit.take().is_ok() && limit.take().is_ok());
        assert!(
            limit
                .take()
                .is_err_and(|seconds| (1..=60).contains(&seconds))
        );
        limit.now.lock().expect("lock").0 =
            Instant::now().checked_sub(WINDOW).expect("an hour ago");
        assert!(limit.take().is_ok());
    }
}
