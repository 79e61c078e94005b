//! The interface that every plugin exports, in whichever line of the contract.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use super::{
    bindings::exports::wharf::plugin::lifecycle,
    host_state::HostState,
    lines::{
        Line,
        v0_1::{self, bindings::exports::wharf::plugin::lifecycle as lifecycle_0_1},
    },
};

/// The exports of the interface in a component.
#[derive(Clone)]
pub(super) enum Lifecycle {
    Current(lifecycle::GuestIndices),
    V0_1(lifecycle_0_1::GuestIndices),
}

impl Lifecycle {
    /// Finds the exports of a component of this line. An error says which function is missing.
    pub(super) fn find(line: Line, component: &InstancePre<HostState>) -> wasmtime::Result<Self> {
        Ok(match line {
            Line::V0_1 => Self::V0_1(lifecycle_0_1::GuestIndices::new(component)?),
            Line::V0_2 => Self::Current(lifecycle::GuestIndices::new(component)?),
        })
    }

    /// What the plugin says of itself.
    pub(super) async fn describe(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<lifecycle::PluginInfo> {
        match self {
            Self::Current(exports) => {
                let guest = exports.load(&mut *store, instance)?;
                guest.call_describe(store).await
            }
            Self::V0_1(exports) => {
                let guest = exports.load(&mut *store, instance)?;
                v0_1::describe(&guest, store).await
            }
        }
    }

    /// Configures the instance, with a JSON object.
    pub(super) async fn configure(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
        config: &str,
    ) -> wasmtime::Result<Result<(), Vec<lifecycle::ConfigIssue>>> {
        match self {
            Self::Current(exports) => {
                let guest = exports.load(&mut *store, instance)?;
                guest.call_configure(store, config).await
            }
            Self::V0_1(exports) => {
                let guest = exports.load(&mut *store, instance)?;
                v0_1::configure(&guest, store, config).await
            }
        }
    }
}
