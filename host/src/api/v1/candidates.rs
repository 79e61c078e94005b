//! `/v1/plugins/{name}/candidate`: how another version of a plugin answers that is asked beside it.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{NoParams, Params, PluginName},
        openapi::{Operation, STORE},
        route::{Need::All, Routes},
        time::Time,
    },
    config::Scope::Admin,
    model::ClientId,
    plugins::{CandidateCounts, DifferenceSide, Words},
    services::{Plugins, StoredDifference},
};

/// The default and the largest number of differences of a page.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

pub(super) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, summary)
            .part(
                "name",
                "The name of a plugin, as in its `[[plugin]]` entry.",
            )
            .refuses(&[Code::UnknownPlugin])
    };
    Routes::new()
        .get(
            "/v1/plugins/{name}/candidate",
            All(Admin),
            get,
            of("getCandidate", "The candidate of a plugin, and how it answers compared with the plugin")
                .more("The candidate is named by `candidate` of the plugin's entry, and is loaded at the start and by a reload of the plugin. It decides nothing.")
                .refuses(&[Code::NotFound]),
        )
        .get(
            "/v1/plugins/{name}/candidate/differences",
            All(Admin),
            differences,
            of("listCandidateDifferences", "One page of the calls that a candidate of a plugin answered otherwise, newest first")
                .more("The newest 1000 of each plugin are kept, also those of earlier candidates. `explanation` and `changed` are null once the content of the message was deleted (`[storage] keep_bodies`).")
                .refuses(STORE),
        )
}

/// The candidate of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PluginCandidate {
    /// The name of the plugin.
    plugin: String,
    /// The path of the candidate's file.
    file: String,
    /// Why the candidate cannot be used; null if it is loaded.
    reason: Option<String>,
    /// The version that the candidate gives itself; null unless it is loaded, as all that follows.
    version: Option<String>,
    /// SHA-256 of its component, in hexadecimal.
    component: Option<String>,
    /// SHA-256 of its configuration as it gets it (a JSON object), in hexadecimal.
    config: Option<String>,
    /// Since when calls are compared: the last time that the plugin or the candidate was loaded in
    /// another version or with another configuration, or the start of the gateway.
    since: Option<Time>,
    /// What was counted since then.
    counts: Option<Counts>,
    /// Until when the candidate is not called, because it has failed too often.
    quarantined_until: Option<Time>,
}

/// How many calls a candidate answered in which way.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CandidateCounts")]
struct Counts {
    /// As the plugin.
    same: u64,
    /// Otherwise than the plugin.
    differing: u64,
    /// The candidate failed, and the plugin did not fail in the same way.
    failed: u64,
    /// The candidate asked the network, which it may not, so that its answer says nothing.
    network: u64,
    /// Not asked: too many calls waited, the plugin itself could not be asked, or the candidate is
    /// quarantined.
    skipped: u64,
}

impl From<&CandidateCounts> for Counts {
    fn from(counts: &CandidateCounts) -> Self {
        Self {
            same: counts.same,
            differing: counts.differing,
            failed: counts.failed,
            network: counts.network,
            skipped: counts.skipped,
        }
    }
}

/// `GET /v1/plugins/{name}/candidate`: the candidate of a plugin.
async fn get(
    State(plugins): State<Arc<dyn Plugins>>,
    _: NoParams,
    PluginName(name): PluginName,
) -> Result<Json<PluginCandidate>, ApiError> {
    let status = plugins.candidate(&name)?;
    let (loaded, reason) = match status.outcome {
        Ok(loaded) => (Some(loaded), None),
        Err(reason) => (None, Some(reason)),
    };
    let counts = loaded.as_ref().map(Counts::from);
    let since = loaded.as_ref().map(|loaded| loaded.since.into());
    let quarantined = loaded.as_ref().and_then(|loaded| loaded.quarantined_until);
    let of = loaded.map(|loaded| (loaded.version, loaded.component, loaded.config));
    let (version, component, config) = match of {
        Some((version, component, config)) => (Some(version), Some(component), Some(config)),
        None => (None, None, None),
    };
    Ok(Json(PluginCandidate {
        plugin: name,
        file: status.file,
        reason,
        version,
        component,
        config,
        since,
        counts,
        quarantined_until: quarantined.map(Time),
    }))
}

/// Which differences to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The number of differences per page, 1 to 200; default 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the previous page.
    #[schemars(regex(pattern = "^[0-9]{1,18}$"))]
    cursor: Option<String>,
}

/// One page of differences.
#[derive(Debug, Serialize, JsonSchema)]
struct CandidateDifferencePage {
    /// The differences, newest first.
    differences: Vec<CandidateDifference>,
    /// The `cursor` of the next page; null after the last page.
    next: Option<String>,
}

/// A call that a candidate answered otherwise than the plugin.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CandidateDifference {
    /// When it was stored.
    at: Time,
    /// The session.
    session: ClientId,
    /// The gateway's id of the message, `out_…`, also of one that was refused.
    message: String,
    /// In what the answers differ: `verdict`, `code`, `retry_after`, `reason`, `message` (changed
    /// otherwise).
    differs: Vec<String>,
    /// The answer of the plugin.
    plugin: CandidateAnswer,
    /// The answer of the candidate.
    candidate: CandidateAnswer,
    /// What the candidate depended on besides what the plugin saw.
    unrecorded: Vec<String>,
}

/// An answer of a plugin or its candidate.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CandidateAnswer {
    /// SHA-256 of the component, in hexadecimal.
    component: String,
    /// SHA-256 of the configuration, in hexadecimal.
    config: String,
    /// `allow`, `reject`, `modify`, or how the call failed.
    verdict: String,
    /// The code of a rejection.
    code: Option<String>,
    /// Milliseconds after which the message would be allowed.
    retry_after_ms: Option<u64>,
    /// The reason of a rejection, or a description of the failure.
    explanation: Option<String>,
    /// SHA-256 of the message as it was changed, in hexadecimal: equal digests are equal messages.
    changed: Option<String>,
}

impl CandidateAnswer {
    fn new(side: DifferenceSide, words: Words) -> Self {
        Self {
            component: side.component,
            config: side.config,
            verdict: side.verdict,
            code: side.code,
            retry_after_ms: side.retry_after_ms,
            explanation: words.explanation,
            changed: words.changed,
        }
    }
}

impl From<StoredDifference> for CandidateDifference {
    fn from(stored: StoredDifference) -> Self {
        let difference = stored.difference;
        let details = difference.details.unwrap_or_default();
        Self {
            at: stored.at.into(),
            session: difference.session,
            message: difference.message,
            differs: difference.facts.differs,
            plugin: CandidateAnswer::new(difference.facts.plugin, details.plugin),
            candidate: CandidateAnswer::new(difference.facts.candidate, details.candidate),
            unrecorded: details.unrecorded,
        }
    }
}

/// `GET /v1/plugins/{name}/candidate/differences`: one page of differences.
async fn differences(
    State(plugins): State<Arc<dyn Plugins>>,
    PluginName(name): PluginName,
    Params(which): Params<Which>,
) -> Result<Json<CandidateDifferencePage>, ApiError> {
    let invalid = |words: String| ApiError::new(Code::InvalidQuery, words);
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(invalid(format!("limit must be 1 to {MAX_PAGE}")));
    }
    let number = |text: &str| -> Option<i64> {
        let digits = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits)
    };
    let before = which.cursor.as_deref().map(|text| {
        number(text)
            .ok_or_else(|| invalid("cursor must be the `next` of a page that was answered".into()))
    });
    let before = before.transpose()?;
    // One more than the page has, so that the last page is known as such.
    let mut found = plugins.differences(&name, before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    Ok(Json(CandidateDifferencePage {
        differences: found.into_iter().map(CandidateDifference::from).collect(),
        next,
    }))
}
