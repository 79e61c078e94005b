//! The wasmtime engine: pooled instances, compiled code kept on disk, and the clock that interrupts.

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;
use wasmtime::{Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Calls at the same time. The pool answers a call too many with an error, so a semaphore of this size stands before it.
pub(super) const POOL: u32 = 64;
/// Between two looks at a running guest.
const TICK: Duration = Duration::from_millis(5);
/// The largest memory any plugin can be given.
pub(super) const MAX_MEMORY: usize = 256 << 20;

#[derive(Debug, Clone)]
pub(super) struct Wasm {
    pub(super) engine: Engine,
    pub(super) turns: Arc<Semaphore>,
}

impl Wasm {
    pub(super) fn new(cache_dir: &Path) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true).concurrency_support(false).wasm_memory64(false).max_wasm_stack(512 << 10).async_stack_size(2 << 20);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(POOL)
            .total_core_instances(POOL * 32)
            .total_memories(POOL)
            .total_tables(POOL * 4)
            .total_stacks(POOL)
            .max_core_instances_per_component(128)
            .max_tables_per_module(4)
            .table_elements(20_000)
            .max_memory_size(MAX_MEMORY)
            .linear_memory_keep_resident(2 << 20)
            // Where the kernel tells which pages were written (Linux 6.7), only those are wiped.
            .pagemap_scan(Enabled::Auto)
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let mut cache = CacheConfig::new();
        cache.with_directory(std::path::absolute(cache_dir)?);
        config.cache(Some(Cache::new(cache)?));
        let engine = Engine::new(&config)?;
        tick(&engine)?;
        Ok(Self { engine, turns: Arc::new(Semaphore::new(POOL as usize)) })
    }
}

/// The thread ends with the engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    thread::Builder::new().name("plugin-epoch".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}

/// The CPU time of one call. Wall time would reject the innocent on a busy machine.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    used: AtomicU64,
    /// This thread's CPU clock when the poll in progress began.
    since: AtomicU64,
}

fn thread_cpu() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl CpuMeter {
    /// Called by the guest's own thread at a tick.
    pub(super) fn used(&self) -> Duration {
        let now = thread_cpu().saturating_sub(self.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed).saturating_add(now))
    }
}

/// A future whose CPU time is metered, whichever thread polls it.
pub(super) struct Metered<F> {
    pub(super) inner: Pin<Box<F>>,
    pub(super) meter: Arc<CpuMeter>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let begin = thread_cpu();
        self.meter.since.store(begin, Ordering::Relaxed);
        let result = self.inner.as_mut().poll(context);
        self.meter.used.fetch_add(thread_cpu().saturating_sub(begin), Ordering::Relaxed);
        result
    }
}
