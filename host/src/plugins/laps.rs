//! How long the parts of loading a plugin take. They are logged, because a slow start has to be
//! explained, and benchmarks read that line.

use std::time::Instant;

use tracing::debug;

/// A watch that tells the microseconds since it was asked last.
#[derive(Debug)]
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn lap(&mut self) -> u64 {
        let now = Instant::now();
        let took = now.duration_since(self.0);
        self.0 = now;
        u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The parts of loading a plugin, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Laps {
    /// Reading the file.
    pub(super) read: u64,
    /// Its digest and the checks of its bytes.
    pub(super) digest: u64,
    /// Compiling it, or taking the compiled code from the cache.
    pub(super) compile: u64,
    /// The checks of its types, and linking it.
    pub(super) link: u64,
    /// Asking it about itself.
    pub(super) describe: u64,
    /// Checking its configuration against its schema.
    pub(super) schema: u64,
    /// Letting it check its configuration.
    pub(super) configure: u64,
}

impl Laps {
    pub(super) fn log(&self, plugin: &str) {
        let Self {
            read,
            digest,
            compile,
            link,
            describe,
            schema,
            configure,
        } = *self;
        debug!(
            plugin,
            read,
            digest,
            compile,
            link,
            describe,
            schema,
            configure,
            "plugin loaded; the parts are in microseconds"
        );
    }
}
