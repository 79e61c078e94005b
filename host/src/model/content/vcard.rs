//! Checks whether a phone can open a contact card: its first and last line, its version and its
//! name, but not its other properties.
//!
//! WhatsApp forwards any text, so only the recipient would notice a broken card. The crates that
//! read cards repair what they can and do not report what was missing; a phone repairs nothing.

use std::collections::BTreeMap;

/// Returns what is missing or occurs twice.
pub(super) fn check(card: &str) -> Result<(), String> {
    let lines = lines(card);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named = false;
    for line in &lines {
        let part = part(line);
        *counts.entry(part).or_default() += 1;
        named |= matches!(part, "FN" | "N") && says_something(line);
    }
    let count = |part: &str| counts.get(part).copied().unwrap_or(0);
    let frame = [("BEGIN:VCARD", lines.first()), ("END:VCARD", lines.last())];
    for (end, line) in frame {
        if count(end) > 1 {
            return Err(format!(
                "{end} occurs {} times; a contact is one card, so send another one for another person",
                count(end)
            ));
        }
        if line.is_none_or(|line| part(line) != end) {
            let place = if end.starts_with('B') {
                "first"
            } else {
                "last"
            };
            return Err(format!(
                "{end} must be its {place} line, alone on it{}",
                advice(card)
            ));
        }
    }
    match count("VERSION") {
        0 => {
            return Err(format!(
                "the line VERSION is missing (VERSION:3.0){}",
                advice(card)
            ));
        }
        1 => {}
        many => return Err(format!("VERSION occurs {many} times")),
    }
    if !named {
        return Err(format!(
            "a line FN or N with the person's name is missing (FN:Ada Lovelace){}",
            advice(card)
        ));
    }
    // vCard 4.0 allows several FN lines, one for each language.
    let is_new = lines
        .iter()
        .any(|line| part(line) == "VERSION" && line.ends_with("4.0"));
    match [("N", false), ("FN", is_new)]
        .into_iter()
        .find(|(part, several)| count(part) > 1 && !several)
    {
        Some((part, _)) => Err(format!("{part} occurs {} times", count(part))),
        None => Ok(()),
    }
}

/// The lines of a card, unfolded: a line that begins with a blank continues the one before it, and
/// in vCard 2.1 a quoted-printable line that ends with `=` is continued by the next one.
fn lines(card: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in card.trim().trim_start_matches('\u{feff}').lines() {
        let quoted = goes_on;
        match lines.last_mut() {
            Some(last) if quoted => last.push_str(line),
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push_str(line.get(1..).unwrap_or_default())
            }
            _ if line.trim().is_empty() => continue,
            _ => lines.push(line.trim_end().to_owned()),
        }
        goes_on = lines.last().is_some_and(|line| {
            line.ends_with('=') && head(line).to_ascii_uppercase().contains("QUOTED-PRINTABLE")
        });
        if goes_on && let Some(last) = lines.last_mut() {
            last.pop();
        }
    }
    lines
}

/// The part of a line before the value.
fn head(line: &str) -> &str {
    line.split_once(':').map_or(line, |(head, _)| head)
}

/// Which of the checked lines this is; empty for any other.
fn part(line: &str) -> &'static str {
    let is = |name: &str| {
        // `item1.FN;CHARSET=UTF-8:Ada` is an FN line.
        let own = head(line).split(';').next().unwrap_or_default();
        line.contains(':')
            && own
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case(name)
    };
    let frame = ["BEGIN:VCARD", "END:VCARD"]
        .into_iter()
        .find(|frame| line.trim().eq_ignore_ascii_case(frame));
    frame
        .or_else(|| ["VERSION", "FN", "N"].into_iter().find(|name| is(name)))
        .unwrap_or_default()
}

fn says_something(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(_, value)| value.contains(|c: char| !c.is_whitespace() && c != ';'))
}

/// The likely cause, as the end of an error message.
fn advice(card: &str) -> &'static str {
    if card.contains("\\n") {
        "; it has the two characters \\n where a line should end: the text was escaped twice"
    } else if card
        .lines()
        .skip(1)
        .any(|line| line.trim_start().len() < line.len())
    {
        "; a line that begins with a blank belongs to the line before it"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Cases {
        vcards: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        vcard: String,
        /// A part of the error message; `None` if the card is valid.
        refused: Option<String>,
    }

    #[test]
    fn the_fields_cards_are_judged_rightly() {
        let cases: Cases =
            serde_json::from_str(include_str!("../../../../tests/cases/vcards.json"))
                .expect("cases");
        assert!(cases.vcards.len() > 20);
        for Case { vcard, refused } in cases.vcards {
            match (check(&vcard), refused) {
                (Ok(()), None) => {}
                (Err(why), Some(words)) if why.contains(&words) => {}
                (judged, refused) => panic!("{vcard:?} is judged {judged:?}; right is {refused:?}"),
            }
        }
    }
}
