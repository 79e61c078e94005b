//! One plugin, and calls into it: each in a fresh instance, within the limits of its entry.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt;
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, debug_span, info, warn};
use wasmtime::{
    PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{Instance, InstancePre},
};

use super::{
    bindings::{
        exports::wharf::plugin::lifecycle::{ConfigIssue, PluginInfo},
        wharf::plugin::calls::{self, CallContext},
    },
    convert,
    engine::{Metered, PluginEngine},
    host_state::{Capabilities, HostState, OverCpu, OverMemory, Scene},
    http::HttpMemory,
    lifecycle::Lifecycle,
    lines::Line,
    observe::{Instruments, Observation},
    pattern::Pattern,
    points::point::{ExportedPoints, Exports},
    ports::{CallFailure, FailureKind, KvStore, Subject},
    quarantine::{News, Quarantine, Quarantined},
    stderr::Stderr,
    text::PluginText,
    turns::Weight,
};
use crate::{
    config,
    egress::{Client, HttpGrant},
    model::ClientId,
};

/// The most bytes that a plugin may pass to the host in one call.
const MAX_OUTPUT: usize = 2 << 20;
/// The subject of the calls that are made when a plugin is loaded, and their name in the log.
const PROBE: &str = "probe";

/// A loaded plugin.
pub(super) struct Plugin {
    pub(super) entry: config::Plugin,
    /// Its name in logs and metrics, which tells a candidate from the plugin.
    pub(super) label: String,
    pub(super) engine: PluginEngine,
    /// The plugin's share of the pool, which all its versions have in common.
    pub(super) permits: Arc<Semaphore>,
    /// How many permits a call takes.
    pub(super) permits_of_call: u32,
    pub(super) pre: InstancePre<HostState>,
    /// The line of the contract that the plugin was built for.
    pub(super) line: Line,
    pub(super) lifecycle: Lifecycle,
    pub(super) points: ExportedPoints,
    /// The configuration as the plugin gets it: a JSON object.
    pub(super) config: Arc<str>,
    /// SHA-256 of the configuration as the plugin gets it, in hex.
    pub(super) config_digest: String,
    /// SHA-256 of the component, in hex.
    pub(super) component: String,
    /// Patterns of the events that it wants, as a notifier.
    pub(super) events: Vec<Pattern>,
    /// The names of its templates, as a templater.
    pub(super) templates: Vec<String>,
    pub(super) http: HttpGrant,
    pub(super) client: Arc<Client>,
    pub(super) http_memory: HttpMemory,
    pub(super) kv: Arc<dyn KvStore>,
    /// The granted secrets by name.
    pub(super) secrets: Vec<(String, String)>,
    pub(super) quarantine: Quarantine,
    pub(super) weight: Weight,
    pub(super) news: News,
    /// Observe the calls; only on the workbench.
    pub(super) instruments: OnceLock<Arc<Instruments>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.entry.name)
            .finish_non_exhaustive()
    }
}

/// A fresh instance that is not configured yet, and the call that it was made for.
pub(super) struct Call {
    pub(super) store: Store<HostState>,
    instance: Instance,
    lifecycle: Lifecycle,
    points: ExportedPoints,
    config: Arc<str>,
    context: CallContext,
}

/// A configured instance, and the functions of the extension point that is called.
pub(super) struct Ready<F> {
    pub(super) store: Store<HostState>,
    pub(super) functions: F,
    pub(super) context: CallContext,
}

impl Plugin {
    pub(super) fn serves(&self, session: &ClientId) -> bool {
        self.entry
            .sessions
            .iter()
            .any(|pattern| pattern == "*" || pattern == session.as_str())
    }

    fn failure(&self, kind: FailureKind, detail: impl Into<PluginText>) -> CallFailure {
        CallFailure {
            plugin: self.label.clone(),
            kind,
            detail: detail.into(),
        }
    }

    /// The plugin returned an error of its own.
    pub(super) fn returned_error(&self, error: calls::Error) -> CallFailure {
        self.failure(FailureKind::Failed, convert::failure(error))
    }

    /// The plugin gave an answer that it may not give.
    pub(super) fn invalid_answer(&self, reason: impl Into<PluginText>) -> CallFailure {
        self.failure(FailureKind::Failed, reason)
    }

    /// Calls a function of the extension point `E` in a fresh, configured instance. `work` makes
    /// the call; `read` converts the plugin's answer to the gateway's types, and an answer that it
    /// refuses is a failure of the call like any other.
    pub(super) async fn call<E: Exports, T, U, F>(
        &self,
        function: &'static str,
        subject: &Subject,
        work: impl FnOnce(Ready<E::Functions>) -> F + Send,
        read: impl FnOnce(T) -> Result<U, CallFailure> + Send,
    ) -> Result<U, CallFailure>
    where
        F: Future<Output = wasmtime::Result<T>> + Send,
    {
        let scene = self.scene(subject);
        self.call_in::<E, T, U, F>(function, subject, scene, work, read)
            .await
    }

    /// As [`Plugin::call`], with this context and these capabilities.
    pub(super) async fn call_in<E: Exports, T, U, F>(
        &self,
        function: &'static str,
        subject: &Subject,
        scene: Scene,
        work: impl FnOnce(Ready<E::Functions>) -> F + Send,
        read: impl FnOnce(T) -> Result<U, CallFailure> + Send,
    ) -> Result<U, CallFailure>
    where
        F: Future<Output = wasmtime::Result<T>> + Send,
    {
        let began = Instant::now();
        let work = |call: Call| async move { work(call.ready::<E>().await?).await };
        let result = match self.quarantine.until() {
            Some(until) => Err(self.failure(
                FailureKind::Quarantined,
                &*format!(
                    "it failed too often, and is not called until {}",
                    until.rfc3339()
                ),
            )),
            None => self
                .run(function, subject, scene, work)
                .instrument(debug_span!("plugin", name = self.label, function))
                .await
                .and_then(read),
        };
        if let Err(failure) = &result {
            self.count_failure(subject, failure.kind);
        }
        let outcome = result
            .as_ref()
            .map_or_else(|failure| failure.kind.as_str(), |_| "ok");
        let plugin = self.label.clone();
        metrics::counter!("wharf_plugin_calls_total", "plugin" => plugin.clone(), "function" => function, "outcome" => outcome).increment(1);
        metrics::histogram!("wharf_plugin_call_seconds", "plugin" => plugin, "function" => function).record(began.elapsed().as_secs_f64());
        result
    }

    /// Counts a failed call, which may begin a quarantine.
    fn count_failure(&self, subject: &Subject, kind: FailureKind) {
        let Some((rule, until)) = self.quarantine.failed(kind) else {
            return;
        };
        let plugin = &self.label;
        warn!(plugin, failures = rule.failures, within = ?rule.within.duration(), last = %kind, until = %until.rfc3339(), "the plugin failed too often and is not called for a while (`quarantine` of its entry); a reload ends that");
        metrics::counter!("wharf_plugin_quarantines_total", "plugin" => plugin.clone())
            .increment(1);
        // Fails only when nobody is told, as in a check.
        let _ = self.news.send(Quarantined {
            plugin: plugin.clone(),
            component: self.component.clone(),
            session: subject.session.clone(),
            kind,
            failures: rule.failures,
            within: rule.within.duration(),
            until,
        });
    }

    /// Calls into a fresh instance with every capability refused: when the plugin is loaded.
    pub(super) async fn probe<T, F>(
        &self,
        work: impl FnOnce(Call) -> F + Send,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = wasmtime::Result<T>> + Send,
    {
        let subject = probe_subject();
        let nothing = Scene {
            context: self.context(&subject),
            config: Arc::clone(&self.config),
            capabilities: Capabilities {
                kv: None,
                secrets: vec![],
                http: None,
                trace: None,
            },
        };
        self.run(PROBE, &subject, nothing, work).await
    }

    async fn run<T, F>(
        &self,
        function: &'static str,
        subject: &Subject,
        scene: Scene,
        work: impl FnOnce(Call) -> F + Send,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = wasmtime::Result<T>> + Send,
    {
        let limit = self.entry.timeout.duration();
        let permit = timeout(limit, self.permits.acquire_many(self.permits_of_call)).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(self.failure(
                FailureKind::Busy,
                &*format!(
                    "too many of its calls are running; no room for another within {limit:?}"
                ),
            ));
        };
        let (began, instruments) = (Instant::now(), self.instruments.get());
        let Scene {
            context,
            config,
            capabilities,
        } = scene;
        let memory = usize::try_from(self.entry.memory.0).unwrap_or(usize::MAX);
        let mut state = HostState::new(
            &self.label,
            &context,
            capabilities,
            memory,
            self.entry.cpu.duration(),
        );
        let observation = instruments.map(|_| Arc::<Observation>::default());
        let refusals = state.observe(observation.clone());
        let (meter, stderr, storage) = (
            Arc::clone(&state.cpu),
            state.stderr.clone(),
            Arc::clone(&state.storage),
        );
        let made = AtomicBool::new(false);
        let inner = Box::pin(async {
            let mut store = self.store(state);
            let fresh = Instant::now();
            let instance = self.pre.instantiate_async(&mut store).await?;
            made.store(true, Ordering::Relaxed);
            if let Some(observation) = &observation {
                observation.instantiated(fresh.elapsed());
            }
            let (lifecycle, points) = (self.lifecycle.clone(), self.points.clone());
            work(Call {
                store,
                instance,
                lifecycle,
                points,
                config,
                context,
            })
            .await
        });
        // Should something that a plugin passes ever make the host panic, only this call ends.
        let result = timeout(
            limit,
            AssertUnwindSafe(Metered {
                inner,
                meter: Arc::clone(&meter),
                turns: self.engine.turns.of_call(),
                is_heavy: self.weight.is_heavy(),
            })
            .catch_unwind(),
        )
        .await;
        self.weight.note(meter.total());
        if let (Some(instruments), Some(observation)) = (instruments, &observation) {
            instruments.record(observation.report(
                function,
                began.elapsed(),
                meter.total(),
                stderr.original(),
                refusals.names(),
            ));
        }
        // Standard error may quote the message that the call is about. While a plugin is loaded
        // there is no message.
        let is_probe = subject.id == PROBE;
        if self.entry.log_stderr || is_probe {
            self.log_stderr(function, subject, &stderr);
        }
        // Without its storage a plugin may have given another answer than with it, so whatever it
        // answered does not count.
        if storage.failed() || (result.is_err() && storage.waits()) {
            return Err(self.failure(FailureKind::Busy, "the gateway's storage did not answer it"));
        }
        match result {
            Ok(Err(_)) => Err(self.failure(
                FailureKind::Host,
                "the gateway panicked during the call; its log says more",
            )),
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => {
                let (kind, mut detail) = classify(&error, made.load(Ordering::Relaxed));
                if let Some(place) = stderr.place() {
                    detail = format!("{detail}, at {place}");
                }
                if is_probe && !stderr.text().is_empty() {
                    detail = format!("{detail}: {}", stderr.text());
                }
                Err(self.failure(kind, &*detail))
            }
            Err(_) => Err(self.failure(
                FailureKind::TimedOut,
                &*format!("no answer within {limit:?}"),
            )),
        }
    }

    fn log_stderr(&self, function: &'static str, subject: &Subject, stderr: &Stderr) {
        let text = stderr.text();
        if !text.is_empty() {
            info!(plugin = self.label, function, subject = subject.id, stderr = %text, "the plugin wrote to its standard error");
        }
    }

    fn store(&self, state: HostState) -> Store<HostState> {
        let mut store = Store::new(&self.engine.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_OUTPUT);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let state = context.data();
            if state.cpu.used() > state.cpu_limit {
                return Err(wasmtime::Error::new(OverCpu(state.cpu_limit)));
            }
            // Other tasks on this thread run in between.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

fn probe_subject() -> Subject {
    #[expect(clippy::expect_used, reason = "a literal of the right form")]
    let session = "probe".parse().expect("a client id");
    Subject {
        session,
        id: PROBE.into(),
        attempt: 1,
    }
}

/// What an error of a call means. `made`: the call has an instance. From then on everything that
/// fails is the plugin's doing, also what has no place in its code: an answer that is not UTF-8, that
/// lies outside of its memory, or that is larger than [`MAX_OUTPUT`].
fn classify(error: &wasmtime::Error, made: bool) -> (FailureKind, String) {
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
    // An error with a backtrace of the plugin was caused by a call that it made, e.g. one that WASI
    // refuses by trapping.
    if error.downcast_ref::<WasmBacktrace>().is_some() {
        return (FailureKind::Trapped, error.root_cause().to_string());
    }
    if made {
        return (
            FailureKind::Failed,
            format!("it does not keep to the contract: {}", error.root_cause()),
        );
    }
    (FailureKind::Host, format!("{error:#}"))
}

impl Call {
    /// What the plugin says of itself.
    pub(super) async fn describe(&mut self) -> wasmtime::Result<PluginInfo> {
        self.lifecycle
            .describe(&mut self.store, &self.instance)
            .await
    }

    /// Configures the instance, which has to be done before any other function but `describe` is
    /// called.
    pub(super) async fn configure(&mut self) -> wasmtime::Result<Result<(), Vec<ConfigIssue>>> {
        self.lifecycle
            .configure(&mut self.store, &self.instance, &self.config)
            .await
    }

    /// Whether the functions of all extension points have the types of the contract.
    pub(super) fn check_types(&mut self) -> wasmtime::Result<()> {
        self.points.check_types(&mut self.store, &self.instance)
    }

    /// The functions of an extension point; none when the plugin does not export it.
    pub(super) fn functions<E: Exports>(&mut self) -> wasmtime::Result<Option<E::Functions>> {
        self.points
            .get::<E>()
            .map(|exports| exports.load(&mut self.store, &self.instance))
            .transpose()
    }

    /// Configures the instance for a call of the extension point `E`. The configuration was
    /// accepted when the plugin was loaded, so a refusal now is a fault of the plugin.
    async fn ready<E: Exports>(mut self) -> wasmtime::Result<Ready<E::Functions>> {
        if let Err(issues) = self.configure().await? {
            let issues = convert::issues(&issues);
            return Err(wasmtime::Error::msg(format!(
                "it refused the config that it accepted at load: {issues}"
            )));
        }
        let functions = self
            .functions::<E>()?
            .ok_or_else(|| wasmtime::Error::msg("it does not export the extension point"))?;
        Ok(Ready {
            store: self.store,
            functions,
            context: self.context,
        })
    }
}
