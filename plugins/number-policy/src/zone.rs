//! Local time from a static table of rules.
//!
//! A plugin instance lives for one call, so nothing is parsed: the yearly rule of a zone is looked up in
//! [`crate::zone_table`] and the offset computed from it. A time-zone library with its database would be
//! several times the size of everything else here, to answer questions about the past nobody asks.

use wharf_plugin::ConfigIssues;

use crate::{
    config::Config,
    numbers::{country, digits},
    zone_table::{NONE, RULES, ZONES},
};

const MINUTES_A_DAY: i64 = 1440;

/// One of the two yearly changes of a zone: minute after midnight, in the wall time before the change,
/// of the `week`th (5: last) `weekday` (0: Sunday) of a month.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) month: u8,
    pub(crate) week: u8,
    pub(crate) weekday: u8,
    pub(crate) minute: i32,
}

/// Summer time: what it adds to standard time, in minutes, and from when to when.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) saving: i16,
    pub(crate) start: Change,
    pub(crate) end: Change,
}

/// A zone's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    standard: i16,
    rule: Option<&'static Rule>,
}

/// A wall-clock reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    /// Days since 1970-01-01.
    pub(crate) day: i64,
    /// Minutes since midnight.
    pub(crate) minute: i64,
}

impl Local {
    /// 0 for Sunday.
    pub(crate) fn weekday(self) -> u8 {
        weekday(self.day)
    }

    /// `2026-03-29`
    pub(crate) fn date(self) -> String {
        let (year, month, day) = civil(self.day);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl Clock {
    /// Minutes east of UTC at this minute since the epoch.
    pub(crate) fn offset(self, minute: i64) -> i64 {
        let standard = i64::from(self.standard);
        let Some(rule) = self.rule else { return standard };
        let (year, _, _) = civil((minute + standard).div_euclid(MINUTES_A_DAY));
        let saving = i64::from(rule.saving);
        let start = rule.start.wall_minute(year) - standard;
        let end = rule.end.wall_minute(year) - standard - saving;
        let summer = if start < end { (start..end).contains(&minute) } else { !(end..start).contains(&minute) };
        if summer { standard + saving } else { standard }
    }

    /// What a clock there shows at this time, milliseconds since the epoch.
    pub(crate) fn local(self, millis: u64) -> Local {
        self.local_minute(minute_of(millis))
    }

    /// What a clock there shows at this minute since the epoch.
    pub(crate) fn local_minute(self, minute: i64) -> Local {
        let local = minute + self.offset(minute);
        Local { day: local.div_euclid(MINUTES_A_DAY), minute: local.rem_euclid(MINUTES_A_DAY) }
    }
}

/// The minute since the epoch that this time, in milliseconds, lies in.
pub(crate) fn minute_of(millis: u64) -> i64 {
    i64::try_from(millis / 60_000).unwrap_or(i64::MAX / 2)
}

impl Change {
    fn wall_minute(&self, year: i64) -> i64 {
        let first = days(year, i64::from(self.month), 1);
        let to_weekday = (i64::from(self.weekday) - i64::from(weekday(first))).rem_euclid(7);
        let mut day = first + to_weekday + 7 * (i64::from(self.week) - 1);
        let (next_year, next_month) = if self.month == 12 { (year + 1, 1) } else { (year, i64::from(self.month) + 1) };
        if day >= days(next_year, next_month, 1) {
            day -= 7;
        }
        day * MINUTES_A_DAY + i64::from(self.minute)
    }
}

/// The clock of a zone of the IANA database, by its exact name.
pub(crate) fn find(name: &str) -> Option<Clock> {
    let place = ZONES.binary_search_by_key(&name, |zone| zone.0).ok()?;
    let (_, standard, rule) = *ZONES.get(place)?;
    let rule = if rule == NONE { None } else { RULES.get(usize::from(rule)) };
    Some(Clock { standard, rule })
}

/// Which clock counts for a recipient.
#[derive(Debug)]
pub(crate) struct Clocks {
    /// One for everybody, or none for everybody their own.
    fixed: Option<Clock>,
    fallback: Clock,
    by_prefix: Vec<(String, Clock)>,
}

impl Clocks {
    pub(crate) fn new(config: &Config, issues: &mut ConfigIssues) -> Self {
        let mut named = |path: &str, name: &str| {
            let clock = find(name);
            if clock.is_none() {
                issues.add(path, format!("{name:?} is no time zone; name one of the IANA database, such as \"Europe/Berlin\" or \"UTC\""));
            }
            clock
        };
        let fixed = if config.zone == "recipient" { None } else { named("/zone", &config.zone) };
        let fallback = named("/fallback_zone", &config.fallback_zone).unwrap_or(Clock { standard: 0, rule: None });
        let mut by_prefix = Vec::new();
        for (prefix, name) in &config.zones {
            let path = ConfigIssues::pointer(&["zones", prefix]);
            let clock = named(&path, name);
            by_prefix.push((path, prefix, clock));
        }
        let by_prefix = by_prefix.into_iter().filter_map(|(path, prefix, clock)| Some((digits(prefix, &path, issues)?, clock?))).collect();
        Self { fixed, fallback, by_prefix }
    }

    /// The one given, the one of the longest prefix given, the one of the country, or the fallback.
    pub(crate) fn of(&self, number: Option<&str>) -> Clock {
        self.fixed.or_else(|| number.and_then(|number| self.given(number).or_else(|| find(country(number)?.3)))).unwrap_or(self.fallback)
    }

    fn given(&self, number: &str) -> Option<Clock> {
        let matching = self.by_prefix.iter().filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, clock)| *clock)
    }
}

fn weekday(day: i64) -> u8 {
    // 1970-01-01 was a Thursday. The remainder is 0 to 6.
    u8::try_from((day + 4).rem_euclid(7)).unwrap_or(0)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, counted in years that begin in March so that
/// the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month, day of a day since 1970-01-01: the inverse of [`days`].
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZoneDatabase};

    use super::*;

    /// Zones whose summer time the table cannot say in full.
    const NOT_COMPARED: &[&str] = &["Asia/Gaza", "Asia/Hebron"];

    #[test]
    fn the_table_is_sorted_and_its_rules_exist() {
        assert!(ZONES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ZONES.iter().all(|zone| zone.2 == NONE || usize::from(zone.2) < RULES.len()));
    }

    #[test]
    fn every_zone_agrees_with_the_tz_database() {
        let database = TimeZoneDatabase::bundled();
        // 2027-12-01: by then the changes already announced have happened, and only yearly rules are left.
        let from = 1_827_619_200 / 60;
        let (mut wrong, mut compared) = (Vec::new(), 0);
        for (name, ..) in ZONES.iter().filter(|zone| !NOT_COMPARED.contains(&zone.0)) {
            let clock = find(name).unwrap();
            let Ok(zone) = database.get(name) else { continue };
            compared += 1;
            let same = |minute: i64| {
                let theirs = zone.to_offset(Timestamp::from_second(minute * 60).unwrap()).seconds() / 60;
                clock.offset(minute) == i64::from(theirs)
            };
            // Six years at every sixth hour, and the minutes around each change.
            let minutes = (from..from + 6 * 366 * MINUTES_A_DAY).step_by(360);
            let changes = zone.following(Timestamp::from_second(from * 60).unwrap()).take(12).map(|change| change.timestamp().as_second() / 60);
            if !minutes.chain(changes.flat_map(|minute| [minute - 1, minute])).all(same) {
                wrong.push(*name);
            }
        }
        assert_eq!(wrong, Vec::<&str>::new());
        assert!(compared > 580, "only {compared} zones were found in the database");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (minute, date, weekday) in [(0, "1970-01-01", 4), (29_531_520, "2026-02-24", 2), (30_357_359, "2027-09-20", 1)] {
            let local = find("UTC").unwrap().local_minute(minute);
            assert_eq!((local.date().as_str(), local.weekday()), (date, weekday));
        }
        for day in (-200_000..200_000).step_by(13) {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
    }

    #[test]
    fn a_recipient_has_the_clock_of_the_longest_prefix() {
        let config =
            Config { zones: [("1".into(), "America/Chicago".into()), ("1 415".into(), "America/Los_Angeles".into())].into(), ..Config::default() };
        let mut issues = ConfigIssues::new();
        let clocks = Clocks::new(&config, &mut issues);
        assert!(issues.is_empty());
        for (number, hours) in
            [(Some("14155550100"), -8), (Some("13125550100"), -6), (Some("4915123456789"), 1), (Some("919812345678"), 5), (None, 0)]
        {
            assert_eq!(clocks.of(number).offset(0) / 60, hours, "{number:?}");
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
        let paths: Vec<_> = issues.into_vec().into_iter().map(|issue| issue.path).collect();
        assert_eq!(paths, ["/zone", "/fallback_zone", "/zones/49", "/zones/a~1b"]);
    }
}
