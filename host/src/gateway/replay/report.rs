//! The result of the command, and the report about the calls of a time: how many gave the recorded
//! answer, and how the others differ, with the first messages of each kind.

use std::collections::BTreeMap;

use super::compare::compare;
use crate::{
    plugins::Replayed,
    store::{OutboxId, Range, StoredCall},
};

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The lines to show.
    pub lines: Vec<String>,
    /// Whether every call was made again and gave the recorded answer.
    pub same: bool,
}

/// The most messages that are named of each kind.
const NAMED: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Report {
    same: u64,
    differ: Kinds,
    not_replayed: Kinds,
    unrecorded: Kinds,
}

/// Counts by words.
#[derive(Debug, Default)]
struct Kinds(BTreeMap<String, (u64, Vec<String>)>);

impl Kinds {
    fn add(&mut self, words: String, message: &OutboxId) {
        let (count, messages) = self.0.entry(words).or_default();
        *count += 1;
        if messages.len() < NAMED && !messages.contains(&message.0) {
            messages.push(message.0.clone());
        }
    }

    fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    fn lines(&self, title: &str) -> Vec<String> {
        if self.0.is_empty() {
            return vec![];
        }
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let kinds = kinds.into_iter().map(|(words, (count, messages))| {
            format!("  {count}: {words}, e.g. {}", messages.join(", "))
        });
        std::iter::once(format!("{title}: {}", self.count()))
            .chain(kinds)
            .collect()
    }
}

impl Report {
    pub(super) fn add(&mut self, message: &OutboxId, call: &StoredCall, replayed: &Replayed) {
        let plugin = &call.facts.plugin;
        match compare(call, replayed) {
            None => self.same += 1,
            Some(difference) => {
                let (from, to) = (&difference.from, &difference.to);
                let how = if from == to {
                    // Without the plugin's words, which may be others for each message.
                    let what = difference.more.iter().map(|line| {
                        line.split_once(": ")
                            .map_or(line.as_str(), |(what, _)| what)
                    });
                    format!("{from} with {}", what.collect::<Vec<_>>().join(" and "))
                } else {
                    format!("{from} → {to}")
                };
                self.differ.add(format!("{plugin}: {how}"), message);
            }
        }
        if !replayed.unrecorded.is_empty() {
            self.unrecorded.add(plugin.clone(), message);
        }
    }

    pub(super) fn not_replayed(&mut self, message: &OutboxId, call: &StoredCall, why: String) {
        let plugin = &call.facts.plugin;
        self.not_replayed.add(format!("{plugin}: {why}"), message);
    }

    pub(super) fn unreadable(&mut self, message: &OutboxId) {
        self.not_replayed
            .add("the decision cannot be read".into(), message);
    }

    pub(super) fn outcome(&self, range: Range) -> Outcome {
        let (differ, left) = (self.differ.count(), self.not_replayed.count());
        let mut lines = vec![
            format!(
                "{} calls from {} to {}",
                self.same + differ + left,
                range.since.rfc3339(),
                range.until.rfc3339()
            ),
            format!("the same: {}", self.same),
        ];
        lines.extend(self.differ.lines("differ"));
        lines.extend(self.not_replayed.lines("not replayed"));
        lines.extend(
            self.unrecorded
                .lines("depended on what the record does not have"),
        );
        Outcome {
            lines,
            same: differ + left == 0,
        }
    }
}
