//! Fuzzing of stored decisions.

use super::calls::{columns, parse};
use crate::{fuzz, plugins::CallRecord};

#[test]
fn any_stored_decision_is_read_or_refused() {
    let words = [
        "\"input\":99",
        "\"changed\":0",
        "\"storage\":{\"steps\":[",
        "null",
        "18446744073709551615",
        "\\ud800",
        "{\"kind\":\"location\"",
    ];
    fuzz::run("decision", &words, |input| {
        let text = String::from_utf8_lossy(input);
        let (calls, details) = text.split_once('\n').unwrap_or((&text, ""));
        let details = (!details.is_empty()).then_some(details);
        let Ok((when, stored)) = parse(calls, details) else {
            return Ok(());
        };
        let records: Option<Vec<CallRecord>> = stored
            .iter()
            .map(|call| {
                let details = call.details.clone()?;
                Some(CallRecord {
                    facts: call.facts.clone(),
                    input: details.input,
                    changed: details.changed,
                    explanation: details.explanation,
                    storage: details.storage,
                })
            })
            .collect();
        let Some(records) = records.filter(|records| !records.is_empty()) else {
            return Ok(());
        };
        // What was read is stored in a form that is read as the same.
        let made = records.iter().map(|record| (when.as_str(), record));
        let again = columns(made).map_err(|error| error.to_string())?;
        let (calls, details) = again.ok_or("it has no calls any more")?;
        let read = (when, stored);
        match parse(&calls, Some(&details)) {
            Ok(again) if again == read => Ok(()),
            other => Err(format!("{calls} {details} is read as {other:?}")),
        }
    });
}
