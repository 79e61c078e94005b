//! Parses `.env` as Node's dotenv does: operators bring the file from there, so every value must be
//! the same.
//!
//! Nothing is expanded: a `$` is a `$`. A line that dotenv would skip silently, or whose open quote
//! it would keep, is an error with the number of the line. The error never contains the line
//! itself, which may be a secret.

/// An invalid line: its number, from 1, and the reason.
pub(super) type BadLine = (usize, &'static str);

const FORM: &str = "is not of the form NAME=value";
const QUOTE: &str =
    "the quote that begins the value is not closed, or something other than a comment follows it";

/// Returns the pairs in the order of the file; if a name occurs twice, the last one counts.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, BadLine> {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let (mut pairs, mut rest) = (Vec::new(), text.as_str());
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(pairs);
        }
        if rest.starts_with('#') {
            rest = after_line(rest);
            continue;
        }
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let (name, value, after) = pair(rest).map_err(|why| (line, why))?;
        pairs.push((name.to_owned(), value));
        rest = after;
    }
}

/// Parses the pair at the beginning of a text. Returns it with the rest of the text.
fn pair(text: &str) -> Result<(&str, String, &str), &'static str> {
    let text = text
        .strip_prefix("export")
        .filter(|rest| rest.starts_with(blank))
        .map_or(text, |rest| rest.trim_start_matches(blank));
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let spaced = rest.trim_start_matches(blank);
    // dotenv also accepts `NAME: value`.
    let value = spaced.strip_prefix('=').or_else(|| {
        rest.strip_prefix(':')
            .filter(|rest| rest.starts_with(blank))
    });
    let value = value
        .filter(|_| !name.is_empty())
        .ok_or(FORM)?
        .trim_start_matches(blank);
    match value.chars().next().filter(|first| "'\"`".contains(*first)) {
        Some(quote) => {
            let (held, after) = quoted(&value[1..], quote).ok_or(QUOTE)?;
            // Double quotes allow only these two escapes; an escaped quote keeps its backslash, as
            // in dotenv.
            let held = if quote == '"' {
                held.replace("\\n", "\n").replace("\\r", "\r")
            } else {
                held.to_owned()
            };
            Ok((name, held, after))
        }
        None => {
            let end = value.find(['#', '\n']).unwrap_or(value.len());
            Ok((
                name,
                value[..end].trim().to_owned(),
                after_line(&value[end..]),
            ))
        }
    }
}

/// Splits the text after an opening quote into the value, which may have several lines, and what
/// follows the closing quote. The first quote without a backslash closes the value. If none fits, a
/// quote with a backslash does: `'C:\'` is a whole value.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = Vec::new();
    let mut first = None;
    let mut backslash = false;
    for (at, c) in text.char_indices() {
        if c == quote && !backslash {
            first = Some(at);
            break;
        }
        if c == quote {
            escaped.push(at);
        }
        backslash = c == '\\';
    }
    first
        .into_iter()
        .chain(escaped.into_iter().rev())
        .find_map(|at| {
            let after = text[at + 1..].trim_start_matches(blank);
            let ends = after.is_empty() || after.starts_with(['#', '\n']);
            ends.then(|| (&text[..at], after_line(after)))
        })
}

fn after_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

fn blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The values in `cases/env.json` are those of dotenv 16.
    #[test]
    fn every_value_is_the_one_that_dotenv_gives() {
        let cases: Value =
            serde_json::from_str(include_str!("../../../tests/cases/env.json")).expect("JSON");
        for case in cases["dotenv"].as_array().expect("cases") {
            let text = case["text"].as_str().expect("text");
            let read = parse(text);
            match case["line"].as_u64() {
                Some(line) => assert_eq!(read.expect_err(text).0 as u64, line, "{text:?}"),
                None => {
                    let pairs: serde_json::Map<String, Value> = read
                        .unwrap_or_else(|why| panic!("{text:?}: {why:?}"))
                        .into_iter()
                        .map(|(name, value)| (name, value.into()))
                        .collect();
                    assert_eq!(Value::Object(pairs), case["right"], "{text:?}");
                }
            }
        }
    }
}
