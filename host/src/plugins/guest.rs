//! One plugin, and calls into it: a fresh instance each, within its bounds.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, debug_span, info};
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{Instance, InstancePre},
};

use super::{
    bindings::{
        exports::wharf::plugin::{event_notification, lifecycle, message_templating, send_validation},
        wharf::plugin::calls::{self, CallContext},
    },
    convert,
    engine::{Metered, Wasm},
    hostcalls::{Doors, Guest, OverCpu, OverMemory},
    pattern::Pattern,
    ports::{CallFailure, FailureKind, HttpGrant, KvSpace, KvStore, Subject},
    said::Said,
    stderr::Stderr,
};
use crate::{
    config,
    model::{ClientId, Timestamp},
};

/// Bytes that may cross from guest to host in one call.
const MAX_OUTPUT: usize = 2 << 20;
/// The subject of the calls that are made when a plugin is loaded, and what they are called in the log.
const PROBE: &str = "probe";

/// The extension points of a plugin.
#[derive(Clone)]
pub(super) struct Points {
    pub(super) lifecycle: lifecycle::GuestIndices,
    pub(super) validation: Option<send_validation::GuestIndices>,
    pub(super) templating: Option<message_templating::GuestIndices>,
    pub(super) notification: Option<event_notification::GuestIndices>,
}

/// A loaded plugin.
pub(super) struct Plugin {
    pub(super) entry: config::Plugin,
    pub(super) wasm: Wasm,
    /// Calls that may run at the same time: all that fit into the plugin's share of the pool.
    pub(super) turns: Arc<Semaphore>,
    pub(super) pre: InstancePre<Guest>,
    pub(super) points: Points,
    /// The config as the plugin gets it.
    pub(super) config: Arc<str>,
    /// SHA-256 of the component, hex.
    pub(super) component: String,
    /// Events it wants.
    pub(super) events: Vec<Pattern>,
    /// Names of its templates.
    pub(super) templates: Vec<String>,
    pub(super) http: HttpGrant,
    pub(super) kv: Arc<dyn KvStore>,
    pub(super) secrets: Vec<(String, String)>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.entry.name).finish_non_exhaustive()
    }
}

/// What a call works with.
pub(super) struct Call {
    pub(super) store: Store<Guest>,
    pub(super) instance: Instance,
    pub(super) points: Points,
    pub(super) config: Arc<str>,
    pub(super) context: CallContext,
}

impl Plugin {
    pub(super) fn serves(&self, session: &ClientId) -> bool {
        self.entry.sessions.iter().any(|pattern| pattern == "*" || pattern == session.as_str())
    }

    fn doors(&self, session: &ClientId) -> Doors {
        let space = self.entry.grants.kv.map(|quota| KvSpace {
            plugin: self.entry.name.clone(),
            session: (!self.entry.grants.kv_shared).then(|| session.clone()),
            quota: quota.0,
        });
        Doors { kv: space.map(|space| (Arc::clone(&self.kv), space)), secrets: self.secrets.clone() }
    }

    /// A failure of this plugin, as it says it itself or as the gateway finds it.
    pub(super) fn failed(&self, kind: FailureKind, detail: impl Into<Said>) -> CallFailure {
        CallFailure { plugin: self.entry.name.clone(), kind, detail: detail.into() }
    }

    /// What it answered as an error of its own.
    pub(super) fn erred(&self, error: calls::Error) -> CallFailure {
        let (transient, words) = convert::failure(error);
        self.failed(FailureKind::Failed { transient }, words)
    }

    /// What it answered is not what it may answer.
    pub(super) fn wrong(&self, words: impl Into<Said>) -> CallFailure {
        self.failed(FailureKind::Failed { transient: false }, words)
    }

    /// Calls into a fresh, configured instance. `read` is the border: it makes our values of the guest's, and what it
    /// refuses is a failure of the call as any other.
    pub(super) async fn call<T, U>(
        &self,
        function: &'static str,
        subject: &Subject,
        work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send,
        read: impl FnOnce(T) -> Result<U, CallFailure> + Send,
    ) -> Result<U, CallFailure> {
        let began = Instant::now();
        let doors = self.doors(&subject.session);
        let answer = self.run(function, subject, doors, work).instrument(debug_span!("plugin", name = self.entry.name, function)).await;
        let result = answer.and_then(read);
        let outcome = result.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "ok");
        let plugin = self.entry.name.clone();
        metrics::counter!("wharf_plugin_calls_total", "plugin" => plugin.clone(), "function" => function, "outcome" => outcome).increment(1);
        metrics::histogram!("wharf_plugin_call_seconds", "plugin" => plugin, "function" => function).record(began.elapsed().as_secs_f64());
        result
    }

    /// As [`Plugin::call`], with every capability refused: for probes at load.
    pub(super) async fn probe<T>(&self, work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send) -> Result<T, CallFailure> {
        let closed = Doors { kv: None, secrets: vec![] };
        self.run(PROBE, &probe_subject(), closed, work).await
    }

    async fn run<T>(
        &self,
        function: &'static str,
        subject: &Subject,
        doors: Doors,
        work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send,
    ) -> Result<T, CallFailure> {
        let limit = self.entry.timeout.duration();
        let turn = timeout(limit, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(self.failed(FailureKind::Busy, &*format!("too many of its calls are running; no room for another within {limit:?}")));
        };
        let context = CallContext {
            session: subject.session.to_string(),
            call_id: ulid::Ulid::generate().to_string(),
            subject_id: subject.id.clone(),
            traceparent: subject.traceparent.clone(),
            now: u64::try_from(Timestamp::now().0).unwrap_or(0),
            attempt: subject.attempt,
            budget_ms: u32::try_from(self.entry.timeout.0).unwrap_or(u32::MAX),
        };
        let memory = usize::try_from(self.entry.memory.0).unwrap_or(usize::MAX);
        let guest = Guest::new(&self.entry.name, &context, doors, memory, self.entry.cpu.duration());
        let (meter, stderr, storage) = (Arc::clone(&guest.cpu), guest.stderr.clone(), Arc::clone(&guest.storage));
        let inner = Box::pin(async {
            let mut store = self.store(guest);
            let instance = self.pre.instantiate_async(&mut store).await?;
            work(Call { store, instance, points: self.points.clone(), config: Arc::clone(&self.config), context }).await
        });
        // Should what a guest says ever make the host panic, that is the end of its call and of nothing else.
        let result = timeout(limit, AssertUnwindSafe(Metered { inner, meter }).catch_unwind()).await;
        // What a plugin says of a message may quote it; what it says when it is loaded quotes nobody.
        let quotes_nobody = subject.id == PROBE;
        if self.entry.log_stderr || quotes_nobody {
            self.tell(function, subject, &stderr);
        }
        // Whatever a plugin made of it: what it would have said with its storage is not known.
        if storage.failed() || (result.is_err() && storage.waits()) {
            return Err(self.failed(FailureKind::Busy, "the gateway's storage did not answer it"));
        }
        match result {
            Ok(Err(_)) => Err(self.failed(FailureKind::Host, "the gateway panicked during the call; its log says more")),
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => {
                let (kind, mut words) = classify(&error);
                if let Some(place) = stderr.place() {
                    words = format!("{words}, at {place}");
                }
                if quotes_nobody && !stderr.said().is_empty() {
                    words = format!("{words}: {}", stderr.said());
                }
                Err(self.failed(kind, &*words))
            }
            Err(_) => Err(self.failed(FailureKind::TimedOut, &*format!("no answer within {limit:?}"))),
        }
    }

    fn tell(&self, function: &'static str, subject: &Subject, stderr: &Stderr) {
        let said = stderr.said();
        if !said.is_empty() {
            info!(plugin = self.entry.name, function, subject = subject.id, stderr = %said, "the plugin wrote to its standard error");
        }
    }

    fn store(&self, guest: Guest) -> Store<Guest> {
        let mut store = Store::new(&self.wasm.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(MAX_OUTPUT);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let guest = context.data();
            if guest.cpu.used() > guest.cpu_limit {
                return Err(wasmtime::Error::new(OverCpu(guest.cpu_limit)));
            }
            // Others on this thread get their turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

pub(super) fn probe_subject() -> Subject {
    #[expect(clippy::expect_used, reason = "a literal of the right form")]
    let session = "probe".parse().expect("a client id");
    Subject { session, id: PROBE.into(), traceparent: String::new(), attempt: 1 }
}

fn classify(error: &wasmtime::Error) -> (FailureKind, String) {
    if let Some(full) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        return (FailureKind::Busy, full.to_string());
    }
    if let Some(over) = error.downcast_ref::<OverCpu>() {
        return (FailureKind::OverCpu, over.to_string());
    }
    if let Some(over) = error.downcast_ref::<OverMemory>() {
        return (FailureKind::OverMemory, over.to_string());
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return (FailureKind::Trapped, trap.to_string());
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return (FailureKind::Trapped, format!("it exited with {}", exit.0));
    }
    // An error with a backtrace of the guest was caused by its own call, e.g. one that WASI refuses by trapping.
    if error.downcast_ref::<WasmBacktrace>().is_some() {
        return (FailureKind::Trapped, error.root_cause().to_string());
    }
    (FailureKind::Host, format!("{error:#}"))
}

impl Call {
    /// Configures the instance: the first call into every one.
    pub(super) async fn configure(&mut self) -> wasmtime::Result<Result<(), Vec<lifecycle::ConfigIssue>>> {
        let lifecycle = self.points.lifecycle.load(&mut self.store, &self.instance)?;
        lifecycle.call_configure(&mut self.store, &self.config).await
    }

    /// As [`Call::configure`]; the config was accepted at load, so that it is refused now is the plugin's fault.
    pub(super) async fn ready(&mut self) -> wasmtime::Result<()> {
        match self.configure().await? {
            Ok(()) => Ok(()),
            Err(issues) => Err(wasmtime::Error::msg(format!("it refused the config that it accepted at load: {}", super::check::issues(&issues)))),
        }
    }
}
