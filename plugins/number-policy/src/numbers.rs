//! Checks whether a number may be written to: it must be plausible and allowed by the lists.
//!
//! The more specific entry wins: a number over a prefix, and a block over an equally specific
//! permission.

use wharf_plugin::{ConfigIssues, Rejection};

use crate::{
    config::{Config, WithoutNumber},
    country_table::COUNTRIES,
};

#[derive(Debug)]
pub(crate) struct Numbers {
    check_length: bool,
    without_number: WithoutNumber,
    block_prefixes: Vec<String>,
    block_numbers: Vec<String>,
    allow_prefixes: Vec<String>,
    allow_numbers: Vec<String>,
}

impl Numbers {
    pub(crate) fn new(config: &Config, issues: &mut ConfigIssues) -> Self {
        let mut list = |key: &str, entries: &[String]| {
            entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| digits(entry, &format!("/{key}/{index}"), issues))
                .collect()
        };
        Self {
            check_length: config.number_length,
            without_number: config.without_number,
            block_prefixes: list("block_prefixes", &config.block_prefixes),
            block_numbers: list("block_numbers", &config.block_numbers),
            allow_prefixes: list("allow_prefixes", &config.allow_prefixes),
            allow_numbers: list("allow_numbers", &config.allow_numbers),
        }
    }

    pub(crate) fn refusal(&self, number: Option<&str>) -> Option<Rejection> {
        let Some(number) = number else {
            return self.refusal_without_number();
        };
        if self.block_numbers.iter().any(|blocked| blocked == number) {
            return Some(Rejection::new(
                "blocked_number",
                "this number is on the block list",
            ));
        }
        if self.allow_numbers.iter().any(|allowed| allowed == number) {
            return None;
        }
        if let Some(prefix) = self
            .block_prefixes
            .iter()
            .find(|prefix| number.starts_with(prefix.as_str()))
        {
            return Some(Rejection::new(
                "blocked_prefix",
                format!("numbers that begin with +{prefix} are blocked"),
            ));
        }
        let listed = !self.allow_numbers.is_empty() || !self.allow_prefixes.is_empty();
        if listed
            && !self
                .allow_prefixes
                .iter()
                .any(|prefix| number.starts_with(prefix.as_str()))
        {
            return Some(Rejection::new(
                "not_allowed",
                "only numbers on the allow list may be written to",
            ));
        }
        if self.check_length {
            implausible(number)
        } else {
            None
        }
    }

    fn refusal_without_number(&self) -> Option<Rejection> {
        match self.without_number {
            WithoutNumber::Allow => None,
            WithoutNumber::Reject => Some(Rejection::new(
                "number_unknown",
                "the recipient's phone number is not known, and only known numbers may be written to",
            )),
        }
    }
}

/// The entry of the table with the longest prefix that matches the number.
pub(crate) fn country(number: &str) -> Option<&'static (&'static str, u8, u8, &'static str)> {
    (1..=number.len().min(6)).rev().find_map(|length| {
        let prefix = number.get(..length)?;
        let place = COUNTRIES.binary_search_by_key(&prefix, |row| row.0).ok()?;
        COUNTRIES.get(place)
    })
}

/// The digits of a number or prefix as people write it; none, and an issue, when it is invalid.
pub(crate) fn digits(text: &str, path: &str, issues: &mut ConfigIssues) -> Option<String> {
    let found: String = text.chars().filter(char::is_ascii_digit).collect();
    let clean = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')'));
    if clean && (1..=15).contains(&found.len()) && !found.starts_with('0') {
        return Some(found);
    }
    issues.add(path, "must be an international number or the beginning of one, such as \"+49 151\": 1 to 15 digits, the first not 0");
    None
}

fn implausible(number: &str) -> Option<Rejection> {
    let Some((prefix, fewest, most, _)) = country(number) else {
        return Some(Rejection::new(
            "unknown_calling_code",
            "the number begins with no country's calling code; numbers are international, such as +49 151 23456789",
        ));
    };
    let length = number.len();
    if (usize::from(*fewest)..=usize::from(*most)).contains(&length) {
        return None;
    }
    let range = if fewest == most {
        most.to_string()
    } else {
        format!("{fewest} to {most}")
    };
    Some(Rejection::new(
        "invalid_number_length",
        format!("a number that begins with +{prefix} has {range} digits, this one has {length}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(config: Config, number: &str) -> Option<String> {
        let mut issues = ConfigIssues::new();
        let numbers = Numbers::new(&config, &mut issues);
        assert_eq!(issues, ConfigIssues::new());
        numbers
            .refusal(Some(number))
            .map(|rejection| rejection.code)
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn the_table_is_sorted_and_consistent() {
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
        for (prefix, fewest, most, zone) in COUNTRIES {
            assert!(
                prefix.len() < usize::from(*fewest) && fewest <= most && *most <= 15,
                "{prefix}"
            );
            assert!(
                zone.is_empty() || crate::zone::Clock::find(zone).is_some(),
                "{prefix}: {zone}"
            );
        }
    }

    #[test]
    fn lengths_are_judged_by_country() {
        for number in [
            "15551234567",
            "4915123456789",
            "5511987654321",
            "551187654321",
            "4712345678",
            "5215512345678",
            "12425551234",
            "77011234567",
        ] {
            assert_eq!(code(Config::default(), number), None, "{number}");
        }
        for (number, want) in [
            ("1234567890", "invalid_number_length"),
            ("155512345678", "invalid_number_length"),
            ("491", "invalid_number_length"),
            ("47123456789", "invalid_number_length"),
            ("4", "unknown_calling_code"),
            ("2101234567", "unknown_calling_code"),
            ("1", "invalid_number_length"),
        ] {
            assert_eq!(
                code(Config::default(), number).as_deref(),
                Some(want),
                "{number}"
            );
        }
        assert_eq!(
            code(
                Config {
                    number_length: false,
                    ..Config::default()
                },
                "1234567890"
            ),
            None
        );
    }

    #[test]
    fn the_more_exact_entry_wins() {
        let config = Config {
            block_prefixes: strings(&["+49 (151)"]),
            allow_numbers: strings(&["4915111111111"]),
            ..Config::default()
        };
        assert_eq!(
            code(config.clone(), "4915122222222").as_deref(),
            Some("blocked_prefix")
        );
        assert_eq!(code(config.clone(), "4915111111111"), None);
        let both = Config {
            block_numbers: strings(&["4915111111111"]),
            ..config
        };
        assert_eq!(
            code(both, "4915111111111").as_deref(),
            Some("blocked_number")
        );
    }

    #[test]
    fn an_allow_list_refuses_everybody_else() {
        let config = Config {
            allow_prefixes: strings(&["49", "41"]),
            ..Config::default()
        };
        assert_eq!(code(config.clone(), "4915122222222"), None);
        assert_eq!(
            code(config.clone(), "15551234567").as_deref(),
            Some("not_allowed")
        );
        let with_block = Config {
            block_prefixes: strings(&["49151"]),
            ..config
        };
        assert_eq!(
            code(with_block, "4915122222222").as_deref(),
            Some("blocked_prefix")
        );
    }

    #[test]
    fn an_allowed_number_needs_no_plausible_length() {
        assert_eq!(
            code(
                Config {
                    allow_numbers: strings(&["1234567890"]),
                    ..Config::default()
                },
                "1234567890"
            ),
            None
        );
    }

    #[test]
    fn entries_that_are_no_numbers_are_issues() {
        let mut issues = ConfigIssues::new();
        let config = Config {
            block_prefixes: strings(&["49", "abc"]),
            allow_numbers: strings(&["0151", "", "1234567890123456"]),
            ..Config::default()
        };
        let _ = Numbers::new(&config, &mut issues);
        let paths: Vec<_> = issues
            .into_vec()
            .into_iter()
            .map(|issue| issue.path)
            .collect();
        assert_eq!(
            paths,
            [
                "/block_prefixes/1",
                "/allow_numbers/0",
                "/allow_numbers/1",
                "/allow_numbers/2"
            ]
        );
    }
}
