//! One plugin, and calls into it: a fresh instance each, within its bounds.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, debug, debug_span};
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{Instance, InstancePre},
};

use super::{
    bindings::{
        exports::wharf::plugin::{event_notification, lifecycle, message_templating, send_validation},
        wharf::plugin::calls::CallContext,
    },
    engine::{Metered, Wasm},
    hostcalls::{Doors, Guest, OverCpu, OverMemory},
    ports::{CallFailure, FailureKind, HttpGrant, KvSpace, KvStore, Subject},
};
use crate::{
    config,
    model::{ClientId, Timestamp},
};

/// Bytes that may cross from guest to host in one call.
const MAX_OUTPUT: usize = 2 << 20;
/// Bytes of a failure's words.
const MAX_WORDS: usize = 500;
/// The subject of the calls that are made when a plugin is loaded.
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
    /// Patterns of events it wants.
    pub(super) events: Vec<String>,
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

    /// Calls into a fresh, configured instance.
    pub(super) async fn call<T>(
        &self,
        function: &'static str,
        subject: &Subject,
        work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send,
    ) -> Result<T, CallFailure> {
        let began = Instant::now();
        let doors = self.doors(&subject.session);
        let result = self.run(subject, doors, work).instrument(debug_span!("plugin", name = self.entry.name, function)).await;
        let outcome = result.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "ok");
        let plugin = self.entry.name.clone();
        metrics::counter!("wharf_plugin_calls_total", "plugin" => plugin.clone(), "function" => function, "outcome" => outcome).increment(1);
        metrics::histogram!("wharf_plugin_call_seconds", "plugin" => plugin, "function" => function).record(began.elapsed().as_secs_f64());
        result
    }

    /// As [`Plugin::call`], with every capability refused: for probes at load.
    pub(super) async fn probe<T>(&self, work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send) -> Result<T, CallFailure> {
        let closed = Doors { kv: None, secrets: vec![] };
        self.run(&probe_subject(), closed, work).await
    }

    async fn run<T>(
        &self,
        subject: &Subject,
        doors: Doors,
        work: impl FnOnce(Call) -> BoxFuture<'static, wasmtime::Result<T>> + Send,
    ) -> Result<T, CallFailure> {
        let failed = |kind, detail: String| CallFailure { plugin: self.entry.name.clone(), kind, detail };
        let limit = self.entry.timeout.duration();
        let turn = timeout(limit, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(failed(FailureKind::Busy, format!("too many of its calls are running; no room for another within {limit:?}")));
        };
        let call_id = ulid::Ulid::generate().to_string();
        let now = Timestamp::now();
        let context = CallContext {
            session: subject.session.to_string(),
            call_id: call_id.clone(),
            subject_id: subject.id.clone(),
            traceparent: subject.traceparent.clone(),
            now: u64::try_from(now.0).unwrap_or(0),
            attempt: subject.attempt,
            budget_ms: u32::try_from(self.entry.timeout.0).unwrap_or(u32::MAX),
        };
        let memory = usize::try_from(self.entry.memory.0).unwrap_or(usize::MAX);
        let guest = Guest::new(&self.entry.name, &call_id, Duration::from_millis(context.now), doors, memory, self.entry.cpu.duration());
        let (meter, stderr, storage) = (Arc::clone(&guest.cpu), guest.stderr.clone(), Arc::clone(&guest.storage));
        let inner = Box::pin(async {
            let mut store = self.store(guest);
            let instance = self.pre.instantiate_async(&mut store).await?;
            work(Call { store, instance, points: self.points.clone(), config: Arc::clone(&self.config), context }).await
        });
        // Should what a guest says ever make the host panic, that is the end of its call and of nothing else.
        let result = timeout(limit, AssertUnwindSafe(Metered { inner, meter }).catch_unwind()).await;
        // Whatever a plugin made of it: what it would have said with its storage is not known.
        if storage.failed() || (result.is_err() && storage.waits()) {
            return Err(failed(FailureKind::Busy, "the gateway's storage did not answer it".into()));
        }
        match result {
            Ok(Err(_)) => Err(failed(FailureKind::Host, "the gateway panicked during the call; its log says more".into())),
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => {
                let (kind, mut words) = classify(&error);
                let said = stderr.text();
                // What a plugin says of a message may quote it; what it says when it is loaded quotes nobody.
                if subject.id == PROBE && !said.is_empty() {
                    words = format!("{words}: {said}");
                } else if !said.is_empty() {
                    debug!(plugin = self.entry.name, call = call_id, said, "the plugin's last words");
                }
                words.truncate(words.floor_char_boundary(MAX_WORDS));
                Err(failed(kind, words))
            }
            Err(_) => Err(failed(FailureKind::TimedOut, format!("no answer within {limit:?}"))),
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
