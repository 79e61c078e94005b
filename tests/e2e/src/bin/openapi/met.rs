//! Counts the statuses of the answers to generated calls, by operation.
//!
//! When every call of an operation is refused, the schema of its success is never checked, and no
//! tool reports that. So every operation needs at least one success, except those that cannot
//! succeed with generated calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use wharf_e2e::Api;

/// Operations that cannot succeed with generated calls, and why.
const CANNOT: [(&str, &str); 5] = [
    (
        "getOpenApi",
        "schemathesis reads the document with it and generates no calls of it",
    ),
    (
        "answerPasskey",
        "needs a signature by the passkey of the account",
    ),
    (
        "helperAnswerPasskey",
        "needs a signature by the passkey of the account",
    ),
    (
        "confirmPasskey",
        "needs the code that follows such a signature",
    ),
    (
        "helperConfirmPasskey",
        "needs the code that follows such a signature",
    ),
];

/// The number of answers for each operation and status.
#[derive(Debug, Default)]
pub(crate) struct Met(BTreeMap<String, BTreeMap<String, u64>>);

impl Met {
    /// Adds the counts that `tests/openapi/hooks.py` has written.
    pub(crate) fn add(&mut self, file: &Path) -> Result<()> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("no counts of statuses in {}", file.display()))?;
        let more: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(&text)?;
        for (operation, statuses) in more {
            let known = self.0.entry(operation).or_default();
            for (status, count) in statuses {
                *known.entry(status).or_default() += count;
            }
        }
        Ok(())
    }

    /// Checks that every operation of the document had a success, except those of [`CANNOT`].
    pub(crate) async fn check(&self, api: &Api) -> Result<()> {
        let document = api.get("/openapi.json").await?.expect(200)?.json;
        let paths = document["paths"].as_object().context("no paths")?.values();
        let operations: BTreeSet<&str> = paths
            .filter_map(|path| path.as_object())
            .flat_map(|path| path.values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        let done: BTreeSet<&str> = operations
            .iter()
            .copied()
            .filter(|operation| self.has_done(operation))
            .collect();
        let cannot = CANNOT.map(|(operation, _)| operation);
        let refused: Vec<String> = operations
            .difference(&done)
            .filter(|operation| !cannot.contains(operation))
            .map(|operation| {
                format!(
                    "{operation}, with the statuses {:?}",
                    self.0.get(*operation)
                )
            })
            .collect();
        ensure!(
            refused.is_empty(),
            "no generated call of these operations succeeded; tests/openapi/hooks.py supplies the \
             ids and values:\n{}",
            refused.join("\n")
        );
        let others: Vec<&&str> = cannot
            .iter()
            .filter(|operation| done.contains(**operation) || !operations.contains(**operation))
            .collect();
        ensure!(
            others.is_empty(),
            "generated calls of these operations succeed, or they do not exist: {others:?}"
        );
        println!(
            "generated calls of {} of {} operations succeeded; not of",
            done.len(),
            operations.len()
        );
        for (operation, why) in CANNOT {
            println!("  {operation}: {why}");
        }
        Ok(())
    }

    fn has_done(&self, operation: &str) -> bool {
        let statuses = self.0.get(operation);
        statuses.is_some_and(|statuses| statuses.keys().any(|status| status.starts_with('2')))
    }
}
