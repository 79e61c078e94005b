//! The host's state of one instance: what the plugin may use, and how much.
//!
//! All of WASI 0.2 is linked, because language runtimes import it, and all of it but `wasi:http` is
//! refused: there are no files, no environment and no sockets. The clock shows the time of the call and random
//! numbers are derived from the call id, so that a decision can be repeated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    bindings::wharf::plugin::{calls, kv, log, messages, secrets},
    engine::{CALL_INSTANCES, CALL_MEMORIES, CALL_TABLES, CpuMeter},
    http::{HttpAccess, MAX_FIELDS_BYTES, Requests},
    log_lines::LogLines,
    observe::Observation,
    ports::{KvError, KvSpace, KvStore},
    refusals::Refusals,
    stderr::Stderr,
    trace::Trace,
};

/// The most handles of one instance. What a handle stands for is in the gateway's memory: at most
/// [`MAX_FIELDS_BYTES`] of headers, or a part of a request's body.
const MAX_HANDLES: usize = 1024;

/// The capabilities granted to a plugin instance.
#[derive(Clone)]
pub(super) struct Capabilities {
    pub(super) kv: Option<(Arc<dyn KvStore>, KvSpace)>,
    pub(super) secrets: Vec<(String, String)>,
    pub(super) http: Option<HttpAccess>,
    /// Where it is recorded which secrets the call asks for, and whether it asks the network.
    pub(super) trace: Option<Arc<Trace>>,
}

/// What a call is told of itself and what it may use. The call depends on nothing else, so one that
/// is given the same again gives the same answer.
pub(super) struct Scene {
    pub(super) context: calls::CallContext,
    /// The configuration as the plugin gets it: a JSON object.
    pub(super) config: Arc<str>,
    pub(super) capabilities: Capabilities,
}

/// The data of an instance's store.
pub(super) struct HostState {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    requests: Requests,
    pub(super) refusals: Refusals,
    capabilities: Capabilities,
    log: LogLines,
    pub(super) stderr: Stderr,
    pub(super) memory: Memory,
    pub(super) storage: Arc<Storage>,
    pub(super) cpu: Arc<CpuMeter>,
    pub(super) cpu_limit: Duration,
}

impl HostState {
    pub(super) fn new(
        plugin: &str,
        context: &calls::CallContext,
        capabilities: Capabilities,
        memory: usize,
        cpu_limit: Duration,
    ) -> Self {
        let now = Duration::from_millis(context.now);
        let refusals = Refusals::new(plugin);
        let stderr = Stderr::default();
        let seed: [u8; 32] = Sha256::digest(&context.call_id).into();
        let wasi = WasiCtxBuilder::new()
            // The functions that make sockets are replaced by ones that tell the operator; see
            // `sockets`.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(1 << 16)
            .secure_random(StdRng::from_seed(seed))
            .insecure_random(StdRng::from_seed(seed))
            .insecure_random_seed(u128::from_le_bytes(std::array::from_fn(|n| seed[n])))
            .wall_clock(CallTime(now))
            .monotonic_clock(CallTime(Duration::ZERO))
            .stderr(stderr.clone())
            .build();
        let requests = Requests::new(
            plugin,
            capabilities.http.clone(),
            capabilities.trace.clone(),
            refusals.clone(),
            &context.traceparent,
            Duration::from_millis(context.budget_ms.into()),
        );
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        // Headers are in the gateway's memory and not in the plugin's.
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELDS_BYTES);
        Self {
            table,
            wasi,
            http,
            requests,
            refusals,
            capabilities,
            log: LogLines::new(plugin, &context.session),
            stderr,
            memory: Memory {
                limit: memory,
                used: 0,
                observation: None,
            },
            storage: Arc::new(Storage::new(plugin)),
            cpu: Arc::default(),
            cpu_limit,
        }
    }

    /// Reports memory and log lines to the observation, if there is one. Returns the list of
    /// refused capabilities, which fills while the call runs.
    pub(super) fn observe(&mut self, observation: Option<Arc<Observation>>) -> Refusals {
        self.memory.observation.clone_from(&observation);
        self.log.observation = observation;
        self.refusals.clone()
    }
}

/// Whether the gateway's storage answered the requests of a call.
#[derive(Debug)]
pub(super) struct Storage {
    plugin: String,
    waits: AtomicBool,
    failed: AtomicBool,
}

impl Storage {
    fn new(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            waits: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// A request has no answer yet.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// A request failed in the storage itself: it is busy, full or broken.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits for a request and counts it. `outcome` names the outcome of an answer.
    async fn ask<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, kv::Error>>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> Kv<T> {
        self.waits.store(true, Ordering::Relaxed);
        let answer = asked.await;
        self.waits.store(false, Ordering::Relaxed);
        let outcome = match &answer {
            Ok(value) => outcome(value),
            Err(kv::Error::NotGranted) => "not_granted",
            Err(kv::Error::QuotaExceeded) => "quota_exceeded",
            Err(kv::Error::TooLarge) => "too_large",
            Err(kv::Error::Unavailable(_)) => "unavailable",
        };
        metrics::counter!("wharf_plugin_kv_operations_total", "plugin" => self.plugin.clone(), "operation" => operation, "outcome" => outcome).increment(1);
        if matches!(answer, Err(kv::Error::Unavailable(_))) {
            self.failed.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }
}

/// A clock that stands still at the time of the call.
struct CallTime(Duration);

impl HostWallClock for CallTime {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for CallTime {
    fn resolution(&self) -> u64 {
        1_000_000
    }
    fn now(&self) -> u64 {
        0
    }
}

/// A plugin asked for more memory than it may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("wanted {wanted} bytes, {limit} are allowed")]
pub(super) struct OverMemory {
    wanted: usize,
    limit: usize,
}

/// A plugin used up its CPU time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("used more than {0:?} of CPU time")]
pub(super) struct OverCpu(pub(super) Duration);

/// The bytes of an instance's memories.
pub(super) struct Memory {
    limit: usize,
    used: usize,
    observation: Option<Arc<Observation>>,
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.limit {
            return Err(wasmtime::Error::new(OverMemory {
                wanted,
                limit: self.limit,
            }));
        }
        self.used = wanted;
        if let Some(observation) = &self.observation {
            observation.has_memory(wanted);
        }
        Ok(true)
    }
    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
    fn instances(&self) -> usize {
        CALL_INSTANCES as usize
    }
    fn tables(&self) -> usize {
        CALL_TABLES as usize
    }
    fn memories(&self) -> usize {
        CALL_MEMORIES as usize
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.requests,
        }
    }
}

impl calls::Host for HostState {}
impl messages::Host for HostState {}

impl log::Host for HostState {
    async fn log(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.log.write(level, &message, &fields);
        Ok(())
    }
}

impl From<KvError> for kv::Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::QuotaExceeded => Self::QuotaExceeded,
            KvError::TooLarge => Self::TooLarge,
            KvError::Unavailable(words) => Self::Unavailable(words),
        }
    }
}

type Kv<T> = wasmtime::Result<Result<T, kv::Error>>;
type GrantedKv = Result<(Arc<dyn KvStore>, KvSpace), kv::Error>;

impl HostState {
    fn kv(&self) -> GrantedKv {
        self.capabilities.kv.clone().ok_or_else(|| {
            self.refusals.report("kv");
            kv::Error::NotGranted
        })
    }
}

async fn write(
    granted: GrantedKv,
    key: String,
    expected: Option<Option<u64>>,
    value: Vec<u8>,
    ttl: Option<u64>,
) -> Result<bool, kv::Error> {
    let (store, space) = granted?;
    Ok(store
        .set(
            &space,
            &key,
            expected,
            &value,
            ttl.map(Duration::from_millis),
        )
        .await?)
}

async fn read(granted: GrantedKv, key: String) -> Result<Option<kv::Entry>, kv::Error> {
    let (store, space) = granted?;
    Ok(store
        .get(&space, &key)
        .await?
        .map(|(value, version)| kv::Entry { value, version }))
}

async fn delete(granted: GrantedKv, key: String) -> Result<(), kv::Error> {
    let (store, space) = granted?;
    Ok(store.delete(&space, &key).await?)
}

async fn list(
    granted: GrantedKv,
    prefix: String,
    cursor: Option<String>,
    limit: u32,
) -> Result<Vec<String>, kv::Error> {
    let (store, space) = granted?;
    Ok(store
        .list(&space, &prefix, cursor.as_deref(), limit)
        .await?)
}

impl kv::Host for HostState {
    async fn get(&mut self, key: String) -> Kv<Option<kv::Entry>> {
        self.storage
            .ask("get", read(self.kv(), key), |_| "ok")
            .await
    }
    async fn set(&mut self, key: String, value: Vec<u8>, ttl: Option<u64>) -> Kv<()> {
        Ok(self
            .storage
            .ask("set", write(self.kv(), key, None, value, ttl), |_| "ok")
            .await?
            .map(drop))
    }
    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Kv<bool> {
        self.storage
            .ask(
                "compare_and_set",
                write(self.kv(), key, Some(expected), value, ttl),
                |written| if *written { "ok" } else { "conflict" },
            )
            .await
    }
    async fn delete(&mut self, key: String) -> Kv<()> {
        self.storage
            .ask("delete", delete(self.kv(), key), |()| "ok")
            .await
    }
    async fn list_keys(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Kv<Vec<String>> {
        self.storage
            .ask(
                "list_keys",
                list(self.kv(), prefix, cursor, limit),
                |_| "ok",
            )
            .await
    }
}

impl secrets::Host for HostState {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let value = self
            .capabilities
            .secrets
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone());
        match (&value, &self.capabilities.trace) {
            (None, _) => self.refusals.report("secret"),
            (Some(_), Some(trace)) => trace.secret(&name),
            (Some(_), None) => {}
        }
        Ok(value)
    }
}
