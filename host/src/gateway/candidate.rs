//! `wharf plugin candidate`: how a candidate answers compared with its plugin, asked of the running
//! gateway.

use reqwest::Method;
use serde_json::Value;

use super::{
    command::{array, call, connect, number, plugin_path, text},
    local::RunningGateway,
};
use crate::config::{Config, Sources};

/// Differences requested per call; the API's maximum.
const PAGE: usize = 200;

/// Runs the command and returns the lines to show.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn run(
    config: &Config,
    sources: &Sources,
    plugin: &str,
    limit: usize,
) -> Result<Vec<String>, String> {
    let gateway = connect(config, sources).await?;
    let path = plugin_path(plugin, "/candidate")?;
    let report = call(&gateway, Method::GET, &path, &[]).await?;
    let mut lines = summary(&report)?;
    lines.extend(differences(&gateway, &path, limit).await?);
    Ok(lines)
}

fn summary(report: &Value) -> Result<Vec<String>, String> {
    let (of, file) = (text(report, "plugin")?, text(report, "file")?);
    if let Some(reason) = report["reason"].as_str() {
        return Ok(vec![format!(
            "the candidate of {of} ({file}) cannot be used: {reason}"
        )]);
    }
    let counts = &report["counts"];
    let mut counted = Vec::new();
    for name in ["same", "differing", "failed", "network", "skipped"] {
        counted.push(format!("{name}: {}", number(counts, name)?));
    }
    let mut lines = vec![
        format!(
            "{of}: candidate {} ({file}), component {}, compared since {}",
            text(report, "version")?,
            text(report, "component")?,
            text(report, "since")?
        ),
        counted.join(", "),
    ];
    lines.extend(
        report["quarantinedUntil"]
            .as_str()
            .map(|until| format!("it failed too often and is not called until {until}")),
    );
    Ok(lines)
}

async fn differences(
    gateway: &RunningGateway,
    path: &str,
    limit: usize,
) -> Result<Vec<String>, String> {
    let path = format!("{path}/differences");
    let (mut lines, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let rows = limit.saturating_sub(lines.len()).clamp(1, PAGE).to_string();
        let mut query = vec![("limit", rows.as_str())];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = call(gateway, Method::GET, &path, &query).await?;
        for difference in array(&page, "differences")? {
            lines.push(line(difference)?);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() || lines.len() >= limit {
            return Ok(lines);
        }
    }
}

/// One difference: what the plugin said, and what the candidate would have said.
fn line(difference: &Value) -> Result<String, String> {
    let said = |side: &Value| {
        let verdict = text(side, "verdict")?;
        Ok::<_, String>(
            side["code"]
                .as_str()
                .map_or_else(|| verdict.to_owned(), |code| format!("{verdict} ({code})")),
        )
    };
    let differs = array(difference, "differs")?.iter();
    let differs: Vec<&str> = differs.filter_map(Value::as_str).collect();
    let why = difference["candidate"]["explanation"]
        .as_str()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    Ok(format!(
        "{} {} {}: {} → {} ({}){why}",
        text(difference, "at")?,
        text(difference, "session")?,
        text(difference, "message")?,
        said(&difference["plugin"])?,
        said(&difference["candidate"])?,
        differs.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_candidate_is_shown_with_its_counts_and_each_difference_is_one_line() {
        let failed =
            json!({"plugin": "p", "file": "/p/next.wasm", "reason": "it cannot be compiled"});
        assert_eq!(
            summary(&failed).expect("whole"),
            ["the candidate of p (/p/next.wasm) cannot be used: it cannot be compiled"]
        );
        let loaded = json!({
            "plugin": "p", "file": "/p/next.wasm", "version": "2.0.0", "component": "c1", "since": "S", "reason": null,
            "counts": {"same": 5, "differing": 1, "failed": 0, "network": 0, "skipped": 2}, "quarantinedUntil": "U",
        });
        assert_eq!(
            summary(&loaded).expect("whole"),
            [
                "p: candidate 2.0.0 (/p/next.wasm), component c1, compared since S",
                "same: 5, differing: 1, failed: 0, network: 0, skipped: 2",
                "it failed too often and is not called until U",
            ]
        );
        let difference = json!({
            "at": "T", "session": "default", "message": "out_1", "differs": ["verdict"],
            "plugin": {"verdict": "allow", "code": null, "explanation": null},
            "candidate": {"verdict": "reject", "code": "no", "explanation": "why"},
        });
        assert_eq!(
            line(&difference).expect("whole"),
            "T default out_1: allow → reject (no) (verdict): why"
        );
        assert!(summary(&json!({})).is_err() && line(&json!({})).is_err());
    }
}
