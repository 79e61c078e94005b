//! Logs and metrics.
//!
//! Nothing that is a secret, a message or a QR is ever handed to a log line; here only the form is decided.

mod guests;

use std::io::{IsTerminal, stdout};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// chromiumoxide warns of every CDP message that is newer than itself, with parts of the message.
const QUIET: &str = "chromiumoxide=error";

/// Installs the log for this process, on standard output. Called once; later calls change nothing.
pub fn start_log(log: &Log) {
    let filter = EnvFilter::try_new(format!("{},{QUIET}", log.level)).unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")));
    let pretty = match log.format {
        LogFormat::Auto => stdout().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer();
    let lines = if pretty {
        lines.compact().with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).map_event_format(guests::WithGuests).boxed()
    };
    // Fails when a test has installed one already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

/// Installs the metrics recorder; what it returns renders the text of `/metrics`. Called once: a second recorder is
/// made but records nothing.
#[must_use]
pub fn start_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Fails when there is one already, in tests.
    let _ = metrics::set_global_recorder(recorder);
    handle
}
