//! The code that turns a plugin into a component. It is not part of the public interface and exists
//! in wasm only.
//!
//! Each extension point has a private world, so that a component exports exactly the points that
//! its author has named: the component linker merges the worlds. They share the generated types of
//! [`core`], which [`convert`] converts to the types that authors see.

use std::{any::TypeId, marker::PhantomData, sync::OnceLock};

use crate::{Error, NoConfig, Plugin};

mod bindings;
mod convert;
mod http;
pub mod imports;

/// What the functions of [`crate::host`] call.
pub(crate) mod backend {
    pub(crate) use super::{http::http, imports::*};
}

pub use bindings::core;

use bindings::core::exports::wharf::plugin::lifecycle;

/// Implemented by `export!`: holds the one configured plugin of this instance.
pub trait Instance: Plugin {
    /// Empty until `configure`.
    fn cell() -> &'static OnceLock<Self>;
}

/// Implements the exports of a component by calling the plugin `P`.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

/// The configured plugin of this instance.
pub(crate) fn instance<P: Instance>() -> Result<&'static P, Error> {
    P::cell()
        .get()
        .ok_or_else(|| Error::Internal("the host called the plugin before `configure`".into()))
}

/// The JSON Schema of the plugin's configuration. Without a schema the host assumes that the plugin
/// takes no configuration, so a plugin with a configuration and no schema gives one that allows any
/// object; its `Config` type checks the rest.
fn config_schema<P: Plugin>() -> Option<String> {
    let has_config = TypeId::of::<P::Config>() != TypeId::of::<NoConfig>();
    P::INFO
        .config_schema
        .or(has_config.then_some(r#"{"type": "object"}"#))
        .map(Into::into)
}

impl<P: Instance> lifecycle::Guest for Exported<P> {
    fn describe() -> lifecycle::PluginInfo {
        lifecycle::PluginInfo {
            name: P::INFO.name.into(),
            version: P::INFO.version.into(),
            description: P::INFO.description.into(),
            config_schema: config_schema::<P>(),
            events: P::INFO.events.iter().map(|event| (*event).into()).collect(),
            extra: Vec::new(),
        }
    }

    fn configure(config: String) -> Result<(), Vec<lifecycle::ConfigIssue>> {
        let issue = |issue: crate::ConfigIssue| lifecycle::ConfigIssue {
            path: issue.path,
            message: issue.message,
        };
        let plugin = crate::configure::<P>(&config)
            .map_err(|issues| issues.into_vec().into_iter().map(issue).collect::<Vec<_>>())?;
        P::cell().set(plugin).map_err(|_| {
            vec![lifecycle::ConfigIssue {
                path: String::new(),
                message: "the instance is already configured".into(),
            }]
        })
    }
}
