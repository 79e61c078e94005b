//! The calls of plugins in a decision, as they are stored in two columns.
//!
//! The details hold each form of the message once, however many plugins saw it.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    model::{OutboundMessage, Timestamp},
    plugins::{CallFacts, CallRecord, StorageTrace},
    store::{error::StoreError, script::Script},
};

/// The columns `calls` and `details` of a decision.
pub(super) type Columns = (String, String);

/// One call of a stored decision.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCall {
    /// Which version of which plugin answered what.
    pub facts: CallFacts,
    /// What it saw and read; none once the content of the message was deleted.
    pub details: Option<CallDetails>,
}

/// What a plugin saw and read, and its own words.
#[derive(Debug, Clone, PartialEq)]
pub struct CallDetails {
    /// The message as the plugin saw it.
    pub input: Arc<OutboundMessage>,
    /// The message as the plugin changed it.
    pub changed: Option<Arc<OutboundMessage>>,
    /// The reason of a rejection, or a description of the failure.
    pub explanation: Option<String>,
    /// What it asked of its storage.
    pub storage: StorageTrace,
}

/// The column `calls`.
#[derive(Serialize, Deserialize)]
struct Calls<'a, F> {
    when: Cow<'a, str>,
    calls: Vec<F>,
}

/// The column `details`.
#[derive(Serialize, Deserialize)]
struct Details<'a, M> {
    /// The forms of the message.
    messages: Vec<M>,
    /// One for each call.
    calls: Vec<Detail<'a>>,
}

/// The details of a call. They name a form of the message by its index.
#[derive(Serialize, Deserialize)]
struct Detail<'a> {
    input: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explanation: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "asked_nothing")]
    storage: Cow<'a, StorageTrace>,
}

fn asked_nothing(storage: &StorageTrace) -> bool {
    storage.is_empty()
}

/// The index of a form of the message, which is added if it is new. The forms of a decision are few,
/// and the same form is usually the same allocation.
fn index<'a>(messages: &mut Vec<&'a OutboundMessage>, message: &'a OutboundMessage) -> usize {
    let known = |other: &&OutboundMessage| std::ptr::eq(*other, message) || *other == message;
    messages.iter().position(known).unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    })
}

/// The columns `calls` and `details` of a decision; none if there are no calls. Each call comes with
/// when it was made, `accept` or `dispatch`.
pub(super) fn columns<'s>(
    made: impl IntoIterator<Item = (&'s str, &'s CallRecord)>,
) -> Result<Option<(String, String)>, StoreError> {
    let (mut when, mut calls) = (None, Vec::new());
    let (mut messages, mut details) = (Vec::new(), Vec::new());
    for (at, call) in made {
        when = when.or(Some(at));
        details.push(Detail {
            input: index(&mut messages, &call.input),
            changed: call
                .changed
                .as_ref()
                .map(|changed| index(&mut messages, changed)),
            explanation: call.explanation.as_deref().map(Cow::Borrowed),
            storage: Cow::Borrowed(&call.storage),
        });
        calls.push(&call.facts);
    }
    if calls.is_empty() {
        return Ok(None);
    }
    let when = Cow::Borrowed(when.unwrap_or_default());
    let details = Details {
        messages,
        calls: details,
    };
    Ok(Some((
        serde_json::to_string(&Calls { when, calls })?,
        serde_json::to_string(&details)?,
    )))
}

/// When the plugins were asked, and the calls. An error says what cannot be read, without its
/// content.
pub(super) fn parse(
    calls: &str,
    details: Option<&str>,
) -> Result<(String, Vec<StoredCall>), StoreError> {
    let Calls { when, calls }: Calls<'_, CallFacts> = serde_json::from_str(calls)?;
    let when = when.into_owned();
    let Some(details) = details else {
        let without = |facts| StoredCall {
            facts,
            details: None,
        };
        return Ok((when, calls.into_iter().map(without).collect()));
    };
    let details: Details<'_, OutboundMessage> = serde_json::from_str(details)?;
    let messages: Vec<Arc<OutboundMessage>> = details.messages.into_iter().map(Arc::new).collect();
    let broken = || StoreError::Corrupt("a decision whose parts do not fit together".into());
    let form = |index: usize| messages.get(index).cloned().ok_or_else(broken);
    if details.calls.len() != calls.len() {
        return Err(broken());
    }
    let mut stored = Vec::with_capacity(calls.len());
    for (facts, detail) in calls.into_iter().zip(details.calls) {
        stored.push(StoredCall {
            facts,
            details: Some(CallDetails {
                input: form(detail.input)?,
                changed: detail.changed.map(form).transpose()?,
                explanation: detail.explanation.map(Cow::into_owned),
                storage: detail.storage.into_owned(),
            }),
        });
    }
    Ok((when, stored))
}

/// The statement that stores decisions about messages that are there, given as a JSON array of
/// sequence numbers with the two columns. A message that is judged more than 4095 times, which takes
/// days of failing attempts, keeps its first decisions.
const ADD: &str = "INSERT OR IGNORE INTO decision (id, at, calls, details)
                   SELECT (SELECT min(coalesce(max(id), (value ->> 0) * 4096) + 1, (value ->> 0) * 4096 + 4095) FROM decision
                           WHERE id BETWEEN (value ->> 0) * 4096 AND (value ->> 0) * 4096 + 4095),
                          ?, value ->> '$[1][0]', value ->> '$[1][1]' FROM json_each(?)";

/// Adds a statement that stores decisions about messages that are there, given by sequence number;
/// none if there are none.
pub(super) fn add_all(
    script: &mut Script,
    decisions: &[(i64, (String, String))],
) -> Result<(), StoreError> {
    if decisions.is_empty() {
        return Ok(());
    }
    script.add(ADD);
    script.bind(Timestamp::now().0)?;
    script.bind(serde_json::to_string(decisions)?)
}
