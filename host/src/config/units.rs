//! Durations and sizes as people write them: `"250ms"`, `"1h 30m"`, `"32MiB"`.
//!
//! The libraries define what is accepted, with these restrictions: a duration has whole
//! milliseconds and no unit longer than a day; a size ends in `B` and has a binary unit, because
//! `MB` is a million bytes to some people and a mebibyte to others.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};
use parse_size::{ByteSuffix, UnitSystem};
use serde::{Deserialize, Deserializer, de};

/// A duration in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// Converts to the standard type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "{text:?} is not a duration: write a whole number and a unit, one of ms, s, m, h, d, e.g. \"30s\""
            )
        };
        let span: Span = text.trim().parse().map_err(|_| wrong())?;
        // Refuses months and years, whose lengths vary.
        let duration = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| wrong())?;
        let fits = span.get_weeks() == 0 && duration.subsec_nanos() % 1_000_000 == 0;
        u64::try_from(duration.as_millis())
            .ok()
            .filter(|_| fits)
            .map(Self)
            .ok_or_else(wrong)
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "{text:?} is not a size: write a whole number and a unit, one of B, KiB, MiB, GiB, e.g. \"32MiB\""
            )
        };
        let read = |units| {
            parse_size::Config::new()
                .with_byte_suffix(ByteSuffix::Require)
                .with_unit_system(units)
                .parse_size(text.trim())
        };
        match (read(UnitSystem::Binary), read(UnitSystem::Decimal)) {
            (Ok(one), Ok(other)) if one == other => Ok(Self(one)),
            _ => Err(wrong()),
        }
    }
}

macro_rules! from_text {
    ($type:ty, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}
from_text!(Millis, "a duration such as \"30s\" or \"250ms\"");
from_text!(ByteSize, "a size such as \"32MiB\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_wrong_ones_named() {
        assert_eq!("250ms".parse(), Ok(Millis(250)));
        assert_eq!("2 m".parse(), Ok(Millis(120_000)));
        assert_eq!("32MiB".parse(), Ok(ByteSize(32 << 20)));
        for bad in ["", "5", "s", "5 weeks", "-1s", "99999999999999999999s"] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
        assert!("5MB".parse::<ByteSize>().is_err_and(|e| e.contains("MiB")));
    }

    #[test]
    fn every_plain_number_with_a_unit_is_exact() {
        for number in [0, 1, 7, 10, 59, 1_000, 86_401, 99_999_999, 4_294_967_297] {
            for (unit, factor) in [("ms", 1), ("s", 1000), ("m", 60_000)] {
                for text in [
                    format!("{number}{unit}"),
                    format!(" {number} {unit} "),
                    format!("00{number}{unit}"),
                ] {
                    assert_eq!(text.parse(), Ok(Millis(number * factor)), "{text}");
                }
            }
            for (unit, factor) in [
                ("B", 1),
                ("KiB", 1 << 10),
                ("MiB", 1 << 20),
                ("GiB", 1 << 30),
            ] {
                for text in [
                    format!("{number}{unit}"),
                    format!(" {number} {unit} "),
                    format!("00{number}{unit}"),
                ] {
                    assert_eq!(text.parse(), Ok(ByteSize(number * factor)), "{text}");
                }
            }
        }
        // The longest duration is about twenty thousand years.
        for (text, hours) in [
            ("36500d", 36_500 * 24),
            ("7304484d", 7_304_484 * 24),
            ("175307616h", 175_307_616),
        ] {
            assert_eq!(text.parse(), Ok(Millis(hours * 3_600_000)), "{text}");
        }
        assert_eq!("18446744073709551615B".parse(), Ok(ByteSize(u64::MAX)));
        assert!(
            "18446744073709551616B".parse::<ByteSize>().is_err()
                && "17179869184GiB".parse::<ByteSize>().is_err()
        );
    }

    #[test]
    fn other_spellings_are_read_where_they_mean_one_thing() {
        for (text, millis) in [
            ("1h 30m", 5_400_000),
            ("1.5s", 1500),
            ("1d 12h", 129_600_000),
            ("2 minutes", 120_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Millis(millis)), "{text}");
        }
        for bad in [
            "1 week 1s",
            "1 month",
            "1M",
            "1y",
            "1500us",
            "1s ago",
            "5 m s",
            "1.5",
            "\u{665}s",
        ] {
            assert!(
                bad.parse::<Millis>()
                    .is_err_and(|words| words.contains("one of ms, s, m, h, d")),
                "{bad}"
            );
        }
        for (text, bytes) in [("1.5GiB", 3 << 29), ("64 kib", 64 << 10), ("2TiB", 2 << 40)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in [
            "", "5", "5M", "5Mi", "5kB", "5 gb", "-5B", "B", "MiB", "5 MiBs",
        ] {
            assert!(
                bad.parse::<ByteSize>()
                    .is_err_and(|words| words.contains("one of B, KiB, MiB, GiB")),
                "{bad}"
            );
        }
    }
}
