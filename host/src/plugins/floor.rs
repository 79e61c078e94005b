//! The floor under the cost of a call: a fresh instance of the smallest component from the same
//! pool, and a call of its one function, which does nothing. Benchmarks compare whole calls with
//! it.
//!
//! The store has what bounds a plugin (memory, epochs), and nothing that a plugin can use.

use wasmtime::{
    Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline,
    component::{Component, ComponentExportIndex, InstancePre, Linker},
};

use super::engine::PluginEngine;

/// A component of one module with one page of memory, whose function `run` does nothing:
///
/// ```wat
/// (component
///   (core module $m (memory (export "memory") 1) (func (export "run")))
///   (core instance $i (instantiate $m))
///   (func (export "run") (canon lift (core func $i "run"))))
/// ```
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\x01\x2f\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x04\x01\x02\0\x0b\x02\x04\x01\0\0\0\x06\x09\x01\0\0\x01\0\x03run\
    \x07\x05\x01\x40\0\x01\0\x08\x06\x01\0\0\0\0\0\x0b\x09\x01\0\x03run\x01\0\0";
/// The most memory of an instance: that of a plugin by default.
const MEMORY: usize = 64 << 20;

/// See the module.
pub struct Floor {
    engine: PluginEngine,
    pre: InstancePre<StoreLimits>,
    run: ComponentExportIndex,
}

impl std::fmt::Debug for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Floor").finish_non_exhaustive()
    }
}

impl Floor {
    /// Compiles the component for a pool of its own.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn new() -> Result<Self, String> {
        let text = |error: wasmtime::Error| format!("{error:#}");
        let engine = PluginEngine::new(1).map_err(text)?;
        let component = Component::from_binary(&engine.engine, COMPONENT).map_err(text)?;
        let run = component
            .get_export_index(None, "run")
            .ok_or("the component has no `run`")?;
        let pre = Linker::new(&engine.engine)
            .instantiate_pre(&component)
            .map_err(text)?;
        Ok(Self { engine, pre, run })
    }

    /// Makes an instance, calls its function, and drops the instance.
    ///
    /// # Errors
    /// When the pool has no room.
    pub async fn call(&self) -> Result<(), String> {
        self.called().await.map_err(|error| format!("{error:#}"))
    }

    async fn called(&self) -> wasmtime::Result<()> {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let mut store = Store::new(&self.engine.engine, limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let instance = self.pre.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<(), ()>(&mut store, &self.run)?;
        run.call_async(&mut store, ()).await
    }
}

#[cfg(test)]
mod tests {
    use super::Floor;

    #[tokio::test]
    async fn the_smallest_component_is_called() {
        let floor = Floor::new().expect("an engine");
        for _ in 0..3 {
            floor.call().await.expect("called");
        }
    }
}
