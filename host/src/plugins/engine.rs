//! The wasmtime engine: pooled instances, and the clock that interrupts.

use std::{
    future::Future,
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
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Memories of all plugins together, as long as there are few plugins: each reserves 4 GiB of address space, of which some
/// machines have 512 GiB.
const MEMORIES: u32 = 64;
/// Memories of each plugin at least.
const LEAST: u32 = 16;
/// Tables of a plugin for each of its memories.
const TABLES: u32 = 4;
/// Memories, tables and core instances of one call at most.
pub(super) const CALL_MEMORIES: u32 = 8;
pub(super) const CALL_TABLES: u32 = 32;
pub(super) const CALL_INSTANCES: u32 = 128;
/// Between two looks at a running guest.
const TICK: Duration = Duration::from_millis(5);
/// The largest memory any plugin can be given.
pub(super) const MAX_MEMORY: usize = 256 << 20;

#[derive(Debug, Clone)]
pub(super) struct Wasm {
    pub(super) engine: Engine,
    pub(super) share: Share,
}

/// What the calls of one plugin may hold at the same time, whatever the calls of others hold: the pool has room for the
/// shares of all plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    memories: u32,
}

impl Share {
    fn of(plugins: u32) -> Self {
        Self { memories: MEMORIES.checked_div(plugins).unwrap_or(MEMORIES).max(LEAST) }
    }

    /// How many calls of a plugin run at the same time, by what one call needs.
    ///
    /// # Errors
    /// When one call needs more than any may.
    pub(super) fn turns(self, memories: u32, tables: u32) -> Result<u32, String> {
        for (what, needed, allowed) in [("memories", memories, CALL_MEMORIES), ("tables", tables, CALL_TABLES)] {
            if needed > allowed {
                return Err(format!("a call needs {needed} {what}; at most {allowed} are allowed"));
            }
        }
        Ok((self.memories / memories.max(1)).min(self.memories * TABLES / tables.max(1)))
    }
}

impl Wasm {
    /// An engine with room for so many plugins.
    pub(super) fn new(plugins: usize) -> wasmtime::Result<Self> {
        let plugins = u32::try_from(plugins).unwrap_or(u32::MAX).max(1);
        let share = Share::of(plugins);
        let calls = share.memories.saturating_mul(plugins);
        let mut config = Config::new();
        config.epoch_interruption(true).concurrency_support(false).wasm_memory64(false).max_wasm_stack(512 << 10).async_stack_size(2 << 20);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(CALL_INSTANCES))
            .total_memories(calls)
            .total_tables(calls.saturating_mul(TABLES))
            .total_stacks(calls)
            .max_core_instances_per_component(CALL_INSTANCES)
            .max_tables_per_module(4)
            .table_elements(20_000)
            .max_memory_size(MAX_MEMORY)
            .linear_memory_keep_resident(2 << 20)
            // Where the kernel tells which pages were written (Linux 6.7), only those are wiped.
            .pagemap_scan(Enabled::Auto)
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        tick(&engine)?;
        Ok(Self { engine, share })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_has_room_for_every_plugins_share_whatever_its_calls_need() {
        for plugins in [1, 2, 3, 4, 5, 40] {
            let share = Share::of(plugins);
            for (memories, tables) in [(1, 1), (0, 0), (3, 2), (CALL_MEMORIES, CALL_TABLES), (1, CALL_TABLES)] {
                let turns = share.turns(memories, tables).expect("allowed");
                assert!(turns >= 2, "{plugins} plugins: {turns} turns at {memories} memories and {tables} tables");
                assert!(turns * memories <= share.memories && turns * tables <= share.memories * TABLES, "{plugins} plugins, {memories}, {tables}");
            }
        }
        assert!(Share::of(4).memories * 4 <= MEMORIES);
        assert!(Share::of(1).turns(CALL_MEMORIES + 1, 1).expect_err("too many").contains("9 memories"));
        assert!(Share::of(1).turns(1, CALL_TABLES + 1).is_err());
    }
}
