//! Exponential back-off: how long to wait before a failed operation is retried.
//!
//! These are functions of the number of failures, which the caller keeps (in the database, for a
//! delivery), because the libraries for back-off run the attempts themselves. The standard library
//! does the arithmetic without overflow.

use std::{ops::RangeInclusive, time::Duration};

/// A pause that doubles with each failure.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after the first failure and `further` more.
    #[must_use]
    pub fn pause(self, further: u32) -> Duration {
        self.first
            .saturating_mul(2_u32.saturating_pow(further))
            .min(self.longest)
    }
}

/// Multiplies the pause by a random factor of this range, so that operations that failed together
/// are not retried together.
#[must_use]
pub fn jittered(pause: Duration, factors: RangeInclusive<f64>) -> Duration {
    Duration::try_from_secs_f64(pause.as_secs_f64() * rand::random_range(factors)).unwrap_or(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(30),
            longest: Duration::from_secs(300),
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|further| backoff.pause(further).as_secs()),
            [30, 60, 120, 240, 300, 300, 300, 300]
        );
        let endless = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::MAX,
        };
        assert_eq!(endless.pause(31), Duration::from_secs(1 << 31));
        assert!(endless.pause(u32::MAX) >= endless.pause(31));
        assert_eq!(
            Backoff {
                first: Duration::ZERO,
                ..endless
            }
            .pause(9),
            Duration::ZERO
        );
        assert_eq!(
            Backoff {
                longest: Duration::from_secs(5),
                ..backoff
            }
            .pause(0),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn a_jittered_pause_stays_in_its_range() {
        let pause = Duration::from_secs(100);
        let all: Vec<_> = (0..200).map(|_| jittered(pause, 0.9..=1.1)).collect();
        assert!(
            all.iter()
                .all(|pause| (90..=111).contains(&pause.as_secs())),
            "{all:?}"
        );
        assert!(all.iter().any(|other| *other != all[0]), "they differ");
        assert_eq!(jittered(Duration::ZERO, 1.0..=1.1), Duration::ZERO);
        assert_eq!(jittered(Duration::MAX, 2.0..=3.0), Duration::MAX);
    }
}
