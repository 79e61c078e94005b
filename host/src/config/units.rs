//! Durations and sizes as people write them: `"250ms"`, `"5s"`, `"2m"`, `"32MiB"`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// So many seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// As the standard type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a duration: write a whole number and a unit, one of ms, s, m, h, d, e.g. \"30s\"");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// A size in bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a size: write a whole number and a unit, one of B, KiB, MiB, GiB, e.g. \"32MiB\"");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    Some((number.parse().ok()?, unit.trim()))
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
}
