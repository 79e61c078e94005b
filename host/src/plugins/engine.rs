//! The wasmtime engine: the pool of instances, and the limit of CPU time.

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
use tokio_util::sync::PollSemaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::turns::{HEAVY, Turns};

/// Memories in the pool, as long as there are few plugins. Each reserves 4 GiB of address space,
/// and some machines have only 512 GiB of it.
const POOL_MEMORIES: u32 = 64;
/// The fewest memories of each plugin.
const MIN_PLUGIN_MEMORIES: u32 = 16;
/// Plugins that can be added while the gateway runs, with the fewest memories each.
const SPARE_PLUGINS: usize = 2;
/// Room for them is kept only up to so many memories: with more, a machine with 512 GiB of address
/// space could not start plugins that fit without it.
const MOST_WITH_SPARES: u32 = 112;
/// Tables of a plugin for each of its memories.
const TABLES: u32 = 4;
/// The most memories, tables and core instances of one call.
pub(super) const CALL_MEMORIES: u32 = 8;
pub(super) const CALL_TABLES: u32 = 32;
pub(super) const CALL_INSTANCES: u32 = 128;
/// The time between two checks of a running plugin.
const TICK: Duration = Duration::from_millis(5);
/// The most bytes of memory that a plugin can be given.
pub(super) const MAX_MEMORY: usize = 256 << 20;

#[derive(Debug, Clone)]
pub(super) struct PluginEngine {
    pub(super) engine: Engine,
    /// The shares of the pool, one for each plugin that it has room for.
    pub(super) shares: Arc<[Share]>,
    pub(super) turns: Turns,
}

/// What the calls of one plugin may hold at the same time, whatever the calls of other plugins
/// hold: the pool has room for the shares of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    memories: u32,
}

impl Share {
    pub(super) fn of(plugins: u32) -> Self {
        Self {
            memories: POOL_MEMORIES
                .checked_div(plugins)
                .unwrap_or(POOL_MEMORIES)
                .max(MIN_PLUGIN_MEMORIES),
        }
    }

    /// The share as permits: one permit is a table, and a memory counts as [`TABLES`] of them.
    pub(super) fn permits(self) -> usize {
        usize::try_from(self.memories.saturating_mul(TABLES)).unwrap_or(usize::MAX)
    }

    /// Permits for one call, whatever it needs.
    pub(super) fn permits_of_any_call() -> usize {
        let room = Self {
            memories: CALL_MEMORIES,
        };
        room.permits()
    }

    /// The permits of one call that needs this many memories and tables.
    ///
    /// # Errors
    /// One call needs more than it may have.
    pub(super) fn permits_of_call(memories: u32, tables: u32) -> Result<u32, String> {
        for (what, needed, allowed) in [
            ("memories", memories, CALL_MEMORIES),
            ("tables", tables, CALL_TABLES),
        ] {
            if needed > allowed {
                return Err(format!(
                    "a call needs {needed} {what}; at most {allowed} are allowed"
                ));
            }
        }
        Ok((memories.max(1) * TABLES).max(tables))
    }
}

impl PluginEngine {
    /// An engine with room for the calls of this many plugins.
    pub(super) fn new(plugins: usize) -> wasmtime::Result<Self> {
        let plugins = plugins.max(1);
        let mut shares = vec![Share::of(u32::try_from(plugins).unwrap_or(u32::MAX)); plugins];
        let spare = Share {
            memories: MIN_PLUGIN_MEMORIES,
        };
        // Two more calls: a plugin that is being loaded is asked about itself, however busy the one
        // is that it replaces, and a candidate is asked beside its plugin.
        let mut calls = shares.iter().fold(2 * CALL_MEMORIES, |calls, share| {
            calls.saturating_add(share.memories)
        });
        for _ in 0..SPARE_PLUGINS {
            if calls.saturating_add(spare.memories) <= MOST_WITH_SPARES {
                calls += spare.memories;
                shares.push(spare);
            }
        }
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .wasm_memory64(false)
            .max_wasm_stack(512 << 10)
            .async_stack_size(2 << 20);
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
            // Where the kernel reports which pages were written (Linux 6.7), only those are
            // cleared.
            .pagemap_scan(Enabled::Auto)
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        tick(&engine)?;
        Ok(Self {
            engine,
            shares: shares.into(),
            turns: Turns::new(),
        })
    }
}

/// Starts the thread that interrupts running plugins at every tick. It ends with the engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    thread::Builder::new()
        .name("plugin-epoch".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;
    Ok(())
}

/// The CPU time of one call. A limit of wall time would end calls because the machine is busy.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    used: AtomicU64,
    /// The CPU clock of the polling thread when the current poll began.
    since: AtomicU64,
}

fn thread_cpu() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl CpuMeter {
    /// The CPU time so far. Must be called by the thread that runs the plugin.
    pub(super) fn used(&self) -> Duration {
        let now = thread_cpu().saturating_sub(self.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.used.load(Ordering::Relaxed).saturating_add(now))
    }

    /// The CPU time of a call that has ended.
    pub(super) fn total(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }
}

/// A future whose CPU time is measured, on whichever thread it is polled. If it needs much of it, it
/// is polled only when it has a turn.
pub(super) struct Metered<F> {
    pub(super) inner: Pin<Box<F>>,
    pub(super) meter: Arc<CpuMeter>,
    pub(super) turns: PollSemaphore,
    /// Whether it needs turns from the start.
    pub(super) is_heavy: bool,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Held while it is polled.
        let _turn = if self.is_heavy || self.meter.total() >= HEAVY {
            match self.turns.poll_acquire(context) {
                Poll::Ready(turn) => turn,
                Poll::Pending => return Poll::Pending,
            }
        } else {
            None
        };
        let begin = thread_cpu();
        self.meter.since.store(begin, Ordering::Relaxed);
        let result = self.inner.as_mut().poll(context);
        self.meter
            .used
            .fetch_add(thread_cpu().saturating_sub(begin), Ordering::Relaxed);
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
            for (memories, tables) in [
                (1, 1),
                (0, 0),
                (3, 2),
                (CALL_MEMORIES, CALL_TABLES),
                (1, CALL_TABLES),
            ] {
                let each = Share::permits_of_call(memories, tables).expect("allowed");
                let calls = u32::try_from(share.permits()).expect("small") / each;
                assert!(
                    calls >= 2,
                    "{plugins} plugins: {calls} calls at {memories} memories and {tables} tables"
                );
                assert!(
                    calls * memories <= share.memories && calls * tables <= share.memories * TABLES,
                    "{plugins} plugins, {memories}, {tables}"
                );
            }
        }
        assert!(Share::of(4).memories * 4 <= POOL_MEMORIES);
        assert!(
            Share::permits_of_call(CALL_MEMORIES + 1, 1)
                .expect_err("too many")
                .contains("9 memories")
        );
        assert!(Share::permits_of_call(1, CALL_TABLES + 1).is_err());
    }
}
