//! Installs logging and metrics.
//!
//! The gateway never passes secrets, messages or QR texts to its own log lines. This module decides
//! the format of the log and whose lines are written. Libraries log what passes through them:
//! frames of the page with QR texts and messages, headers, bodies. So below `warn` only the
//! gateway's own targets are logged, whatever filter the operator sets.

mod guests;
mod names;

use std::io::{IsTerminal, stdout};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::{Filter, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, LogLevel};

/// The crates and targets that are logged at any level: the gateway's own, and `plugin` for what
/// plugins log.
const OURS: [&str; 2] = ["wharf", "plugin"];

/// Targets that are never logged: chromiumoxide quotes parts of CDP messages that it does not know,
/// and logs the end of each connection as an error. The session reports what a lost connection
/// means for it.
const SILENT: [&str; 4] = [
    "chromiumoxide",
    "chromiumoxide_cdp",
    "chromiumoxide_pdl",
    "chromiumoxide_types",
];

/// Installs the subscriber that logs to standard output. Later calls in the same process have no
/// effect.
pub fn start_log(log: &Log) {
    let pretty = match log.format {
        LogFormat::Auto => stdout().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    // A failure to write a line is not reported on standard error: after a hang-up that is closed
    // too, and writing to it would panic.
    let lines = tracing_subscriber::fmt::layer().log_internal_errors(false);
    let lines = if pretty {
        lines.compact().with_target(false).boxed()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .map_event_format(guests::WithGuests)
            .boxed()
    };
    // Fails if a test has already installed a subscriber.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter(&log.level)))
        .try_init();
}

/// The operator's filter, restricted to the targets that may be logged.
fn filter<S: tracing::Subscriber + for<'a> LookupSpan<'a>>(
    level: &LogLevel,
) -> impl Filter<S> + use<S> {
    // The configuration has already validated the filter.
    EnvFilter::new(level.as_str()).and(filter_fn(is_open))
}

fn is_open(meta: &Metadata<'_>) -> bool {
    let name = meta.target().split("::").next().unwrap_or_default();
    OURS.contains(&name) || (*meta.level() <= Level::WARN && !SILENT.contains(&name))
}

/// Installs the metrics recorder and returns the handle that renders the text of `/metrics`. Later
/// calls in the same process return the handle of a recorder that records nothing.
#[must_use]
pub fn start_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Fails if a recorder is already installed, as in tests.
    let _ = metrics::set_global_recorder(recorder);
    names::describe();
    handle
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex, PoisonError},
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn no_filter_opens_a_library_below_warn() {
        for level in [
            "trace",
            "tokio_tungstenite=trace,chromiumoxide=trace,hyper=trace,sqlx=trace,wharf=trace,plugin=trace",
            "trace,hyper=trace",
        ] {
            let kept = Kept::default();
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(kept.clone())
                .with_filter(filter(&level.parse().expect("a level")));
            let subscriber = tracing_subscriber::registry().with(lines);
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!(target: "wharf::outbox", "ours");
                tracing::trace!(target: "plugin", "a plugin's");
                tracing::info!(target: "hyper::proto", "a library's");
                tracing::trace!(target: "tokio_tungstenite::compat", "a library's");
                tracing::trace!(target: "sqlx::query", "a library's");
                tracing::debug!(target: "wharfish", "a library's");
                tracing::error!(target: "chromiumoxide::handler", "a library's");
                let span = tracing::trace_span!(target: "hyper::proto", "a_library_span", body = "a library's");
                let _in = span.enter();
                tracing::error!(target: "hyper", "one that may be seen");
            });
            let text = String::from_utf8(
                kept.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            )
            .expect("UTF-8");
            assert!(
                text.contains("ours") && text.contains("a plugin's"),
                "{level}: {text}"
            );
            assert!(!text.contains("a library's"), "{level}: {text}");
            assert!(text.contains("one that may be seen"), "{level}: {text}");
        }
    }
}
