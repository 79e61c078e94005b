//! The history of messages, step by step. A step is written in the commit of the change that it
//! records.
//!
//! Several steps of one commit share one row, which has an empty kind and all steps in `detail`.
//! Most messages are accepted together with one or two verdicts, and a separate row for each would
//! add a tenth to the work.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::{
    model::Timestamp,
    plugins::CallRecord,
    store::{calls, error::StoreError, script::Script},
};

/// A step to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `accepted`, `verdict`, `held`, `released`, `sending`, `requeued`, `unknown`, `not_sent`,
    /// `sent`, `ack` or `retried`.
    pub kind: &'static str,
    /// Details as a JSON object; never the message's text.
    pub detail: Value,
    /// The call of a plugin whose verdict this is. It is stored in the same commit, apart from the
    /// history (`store/calls.rs`).
    pub call: Option<Arc<CallRecord>>,
}

/// A recorded step.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// When it was recorded.
    pub at: Timestamp,
    /// As in [`Step`].
    pub kind: String,
    /// As in [`Step`].
    pub detail: Value,
}

impl Step {
    /// Creates a step.
    #[must_use]
    pub fn new(kind: &'static str, detail: Value) -> Self {
        Self {
            kind,
            detail,
            call: None,
        }
    }

    /// Creates the step of a verdict.
    #[must_use]
    pub fn verdict(detail: Value, call: Arc<CallRecord>) -> Self {
        Self {
            kind: "verdict",
            detail,
            call: Some(call),
        }
    }

    /// The step of a message whose sending begins: from here on the page may have it in `chat`.
    pub(super) fn begun(attempt: i64, chat: &str) -> Self {
        Self::new("sending", json!({"attempt": attempt, "chat": chat}))
    }
}

/// Writes a step, unless it equals the last one, as with a look-up that fails repeatedly.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    message: i64,
    step: &Step,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO message_history (message, step, at, kind, detail)
               SELECT ?1, coalesce(max(step), 0) + 1, ?2, ?3, ?4 FROM message_history WHERE message = ?1
               HAVING NOT EXISTS (SELECT 1 FROM (SELECT kind, detail FROM message_history WHERE message = ?1 ORDER BY step DESC LIMIT 1)
                                  WHERE kind = ?3 AND detail = ?4)";
    sqlx::query(sql)
        .bind(message)
        .bind(Timestamp::now().0)
        .bind(step.kind)
        .bind(step.detail.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The columns `kind` and `detail` of a row that holds these steps.
pub(super) fn row<'a>(steps: &[&'a Step]) -> Result<(&'a str, String), StoreError> {
    Ok(match steps {
        [step] => (step.kind, serde_json::to_string(&step.detail)?),
        steps => (
            "",
            serde_json::to_string(
                &steps
                    .iter()
                    .map(|step| (step.kind, &step.detail))
                    .collect::<Vec<_>>(),
            )?,
        ),
    })
}

/// Adds a statement that writes steps of several messages, given by sequence number, and one that
/// writes the decisions among them, if there are any. A message may occur only once.
pub(super) fn note_all(
    script: &mut Script,
    messages: &[(i64, Vec<Step>)],
) -> Result<(), StoreError> {
    let rows = messages
        .iter()
        .map(|(message, steps)| Ok((message, row(&steps.iter().collect::<Vec<_>>())?)));
    let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
    script.add(
        "INSERT INTO message_history (message, step, at, kind, detail)
         SELECT value ->> 0, (SELECT coalesce(max(step), 0) FROM message_history WHERE message = value ->> 0) + 1, ?, value ->> '$[1][0]',
                value ->> '$[1][1]'
         FROM json_each(?)",
    );
    script.bind(Timestamp::now().0)?;
    script.bind(serde_json::to_string(&rows)?)?;
    let mut decisions = Vec::new();
    for (message, steps) in messages {
        if let Some(columns) = decision(steps)? {
            decisions.push((*message, columns));
        }
    }
    calls::add_all(script, &decisions)
}

/// The columns of the decision that the verdicts among the steps are; none if there are none.
pub(in crate::store) fn decision(steps: &[Step]) -> Result<Option<(String, String)>, StoreError> {
    calls::columns(steps.iter().filter_map(|step| {
        let when = step.detail["when"].as_str().unwrap_or_default();
        step.call.as_deref().map(|call| (when, call))
    }))
}
