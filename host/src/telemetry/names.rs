//! The name, kind and meaning of each metric: the HELP lines of `/metrics`, and the table in
//! docs/operations.md.
//!
//! A metric that is missing here would have no HELP line, so a test compares this list with the
//! metrics that the sources record.

use metrics::{describe_counter, describe_gauge, describe_histogram};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    /// A histogram, which is exported as a summary with quantiles.
    Summary,
}
use Kind::{Counter, Gauge, Summary};

const METRICS: [(&str, Kind, &str); 25] = [
    (
        "wharf_sends_total",
        Counter,
        "Messages that have ended, by outcome.",
    ),
    (
        "wharf_send_seconds",
        Summary,
        "Seconds from the acceptance of a message until WhatsApp's server acknowledged it.",
    ),
    (
        "wharf_queue_messages",
        Gauge,
        "Accepted messages that have not ended, by session and state: waiting, scheduled, held, sending or unknown.",
    ),
    (
        "wharf_leases_lost_total",
        Counter,
        "Times that a session's sender lost its lease to another one, by session.",
    ),
    (
        "wharf_messages_received_total",
        Counter,
        "Messages received, by session.",
    ),
    ("wharf_events_total", Counter, "Events recorded, by kind."),
    (
        "wharf_deliveries_total",
        Counter,
        "Attempts to deliver an event, by plugin, target and result.",
    ),
    (
        "wharf_delivery_seconds",
        Summary,
        "Seconds that an attempt to deliver an event took, by plugin and target.",
    ),
    (
        "wharf_deliveries_pending",
        Gauge,
        "Deliveries that are waiting, by plugin and target.",
    ),
    (
        "wharf_dead_letters",
        Gauge,
        "Deliveries that were given up, by plugin and target.",
    ),
    (
        "wharf_receiver_failing",
        Gauge,
        "1 while deliveries to a receiver fail, by plugin and target.",
    ),
    (
        "wharf_plugin_calls_total",
        Counter,
        "Calls of plugins, by plugin, function and outcome: ok, failed (an error, or an answer that is not allowed), trapped, over_cpu, over_memory, timed_out, busy, host or quarantined.",
    ),
    (
        "wharf_plugin_call_seconds",
        Summary,
        "Seconds that a call of a plugin took, by plugin and function.",
    ),
    (
        "wharf_plugin_http_requests_total",
        Counter,
        "HTTP requests that plugins made themselves, by plugin and outcome: answered, not_granted, too_many (more than http_requests), over_budget (requests and answers of the call, or of all calls, hold too many bytes), invalid, unreachable, timed_out, too_large or abandoned (the call ended first).",
    ),
    (
        "wharf_plugin_kv_operations_total",
        Counter,
        "Operations of plugins on their key-value storage, by plugin, operation (get, set, compare_and_set, delete, list_keys) and outcome: ok, conflict (another version), not_granted, quota_exceeded, too_large or unavailable.",
    ),
    (
        "wharf_plugin_verdicts_total",
        Counter,
        "Verdicts of validators on messages, by plugin, mode (enforce or monitor) and verdict: allow, reject, modify, with monitor would_reject and would_modify, or how the call failed.",
    ),
    (
        "wharf_plugin_candidate_comparisons_total",
        Counter,
        "Calls of validators that a candidate was to make again, by plugin and result: same, differing, failed (the candidate failed and the plugin did not fail like that), network (it asked the network, which a candidate may not) or skipped (too many waited, or one of both could not be asked).",
    ),
    (
        "wharf_plugin_reloads_total",
        Counter,
        "Reloads of plugins, by plugin and outcome: loaded, removed or refused.",
    ),
    (
        "wharf_plugin_quarantines_total",
        Counter,
        "Times that a plugin failed so often that it was not called for a while, by plugin.",
    ),
    (
        "wharf_session_ready",
        Gauge,
        "1 while a session can send, by session.",
    ),
    (
        "wharf_session_transitions_total",
        Counter,
        "Changes of a session's state, by session and new state.",
    ),
    (
        "wharf_health_checks_total",
        Counter,
        "Health checks of a session, by session and whether they succeeded.",
    ),
    (
        "wharf_bridge_faults_total",
        Counter,
        "Errors inside the bridge script of a session's page, by session.",
    ),
    (
        "wharf_unreadable_rows_total",
        Counter,
        "Rows of the database that cannot be read, by table.",
    ),
    (
        "wharf_task_restarts_total",
        Counter,
        "Restarts of the gateway's tasks after failures, by task.",
    ),
];

/// Registers the description of each metric with the recorder.
pub(super) fn describe() {
    for (name, kind, help) in METRICS {
        match kind {
            Counter => describe_counter!(name, help),
            Gauge => describe_gauge!(name, help),
            Summary => describe_histogram!(name, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Collects the names of metrics that the sources contain: string literals that begin with
    /// `wharf_` and are nothing but a name.
    fn recorded(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                recorded(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !path.ends_with("telemetry/names.rs")
            {
                let text = fs::read_to_string(&path).expect("a source");
                let is_name = |text: &&str| {
                    text.starts_with("wharf_")
                        && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                };
                found.extend(text.split('"').filter(is_name).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_metric_is_described_recorded_and_in_the_operators_table() {
        let described: BTreeSet<String> = METRICS
            .iter()
            .map(|(name, ..)| (*name).to_owned())
            .collect();
        assert_eq!(described.len(), METRICS.len(), "each once");
        let mut used = BTreeSet::new();
        recorded(Path::new("src"), &mut used);
        assert_eq!(used, described, "recorded (left) and described (right)");
        let docs = include_str!("../../../docs/operations.md");
        let table = docs
            .split("### Metrics")
            .nth(1)
            .and_then(|rest| rest.split("\n#").next())
            .expect("a section Metrics");
        for (name, kind, help) in METRICS {
            let kind = format!("{kind:?}").to_lowercase();
            let row = format!("| `{name}` | {kind} | {help} |");
            assert!(
                table.contains(&row),
                "docs/operations.md lacks the row\n{row}"
            );
        }
        let rows = table.lines().filter(|line| line.starts_with("| `wharf_"));
        assert_eq!(
            rows.count(),
            METRICS.len(),
            "a name in the table that is no metric"
        );
    }
}
