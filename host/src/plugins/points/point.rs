//! What an extension point is to the host: its description, and how the exports of a component are
//! found and called.
//!
//! Each point has generated types of its own, so the exports of a plugin are kept by their type and
//! looked up by it: a plugin that does not export a point has no value of that type, and no code
//! outside the point's file names it.

use std::{any::Any, sync::Arc};

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use super::super::{host_state::HostState, lines::Line};
use crate::config;

/// Finds the exports of an extension point in a component of a line.
type Find = fn(Line, &InstancePre<HostState>) -> wasmtime::Result<Arc<dyn AnyExports>>;

/// The description of an extension point. The checks of a component, the reports, the error
/// messages and the tables of the documentation are made from it.
pub(in crate::plugins) struct Point {
    /// The interface of the WIT package, e.g. `send-validation`.
    pub(in crate::plugins) interface: &'static str,
    /// The WIT world of a plugin with this point alone, and the word for it in the SDK's `export!`:
    /// `validator`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the tests that write the documentation")
    )]
    pub(in crate::plugins) world: &'static str,
    /// The trait of the SDK: `Validator`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the tests that write the documentation")
    )]
    pub(in crate::plugins) sdk_trait: &'static str,
    /// What a plugin decides here, for the documentation.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the tests that write the documentation")
    )]
    pub(in crate::plugins) decides: &'static str,
    /// The first release of the gateway that calls it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the tests that write the documentation")
    )]
    pub(in crate::plugins) since: &'static str,
    /// Settings of a `[[plugin]]` entry that have an effect at this point and not at every one.
    pub(in crate::plugins) settings: &'static [Setting],
    /// The first line of the contract that has it.
    pub(in crate::plugins) line: Line,
    /// Finds the exports of a component that names the interface in this line, which has it. An
    /// error says which function is missing.
    pub(in crate::plugins) find: Find,
}

/// A setting of a `[[plugin]]` entry that only some extension points read. All others (limits,
/// `sessions`, `log_stderr`, key-value storage, secrets, HTTP) apply to every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugins) enum Setting {
    Mode,
    OnError,
    MayModify,
    Qr,
    Bodies,
}

impl Setting {
    pub(in crate::plugins) const ALL: [Self; 5] = [
        Self::Mode,
        Self::OnError,
        Self::MayModify,
        Self::Qr,
        Self::Bodies,
    ];

    /// The key in `gateway.toml`.
    pub(in crate::plugins) fn key(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::OnError => "on_error",
            Self::MayModify => "may_modify",
            Self::Qr => "grants.qr",
            Self::Bodies => "grants.bodies",
        }
    }

    /// Whether the entry gives it another value than the default.
    pub(in crate::plugins) fn is_set(self, entry: &config::Plugin) -> bool {
        match self {
            Self::Mode => entry.mode != config::PluginMode::default(),
            Self::OnError => entry.on_error != config::OnError::default(),
            Self::MayModify => entry.may_modify,
            Self::Qr => entry.grants.qr,
            Self::Bodies => entry.grants.bodies.is_some(),
        }
    }
}

/// The exports of one extension point in a component, found by name when the plugin is loaded.
/// Implemented for the `Exported` of each point by [`exports!`].
pub(in crate::plugins) trait Exports: Send + Sync + 'static {
    /// The functions of one instance.
    type Functions: Send;

    /// The functions of this instance. Their types are checked here.
    fn load(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Functions>;
}

/// [`Exports`] of whichever point.
pub(in crate::plugins) trait AnyExports: Any + Send + Sync {
    /// Whether the functions have the types of the contract.
    fn check_types(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<()>;
}

impl<E: Exports> AnyExports for E {
    fn check_types(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        self.load(store, instance).map(drop)
    }
}

/// Defines the exports of a point, `Exported`, and the functions of one instance, `Functions`, in
/// the present line and in the older lines that have the point, with their generated modules:
/// `exports!(send_validation, V0_1 => send_validation_0_1)`. Also defines `find` for its [`Point`].
macro_rules! exports {
    ($interface:ident $(, $Line:ident => $older:ident)*) => {
        /// The exports of this point in a component, by which a plugin is found.
        pub(in crate::plugins) enum Exported {
            Current($interface::GuestIndices),
            $($Line($older::GuestIndices),)*
        }

        /// The functions of this point in an instance.
        pub(in crate::plugins) enum Functions {
            Current($interface::Guest),
            $($Line($older::Guest),)*
        }

        impl $crate::plugins::points::point::Exports for Exported {
            type Functions = Functions;

            fn load(
                &self,
                store: &mut wasmtime::Store<$crate::plugins::host_state::HostState>,
                instance: &wasmtime::component::Instance,
            ) -> wasmtime::Result<Functions> {
                Ok(match self {
                    Self::Current(exports) => Functions::Current(exports.load(store, instance)?),
                    $(Self::$Line(exports) => Functions::$Line(exports.load(store, instance)?),)*
                })
            }
        }

        fn find(
            line: $crate::plugins::lines::Line,
            component: &wasmtime::component::InstancePre<$crate::plugins::host_state::HostState>,
        ) -> wasmtime::Result<std::sync::Arc<dyn $crate::plugins::points::point::AnyExports>> {
            Ok(std::sync::Arc::new(match line {
                $($crate::plugins::lines::Line::$Line => {
                    Exported::$Line($older::GuestIndices::new(component)?)
                })*
                _ => Exported::Current($interface::GuestIndices::new(component)?),
            }))
        }
    };
}
pub(in crate::plugins) use exports;

/// The extension points that a plugin exports.
#[derive(Clone)]
pub(in crate::plugins) struct ExportedPoints(Arc<[(&'static Point, Arc<dyn AnyExports>)]>);

impl ExportedPoints {
    pub(in crate::plugins) fn new(exported: Vec<(&'static Point, Arc<dyn AnyExports>)>) -> Self {
        Self(exported.into())
    }

    /// The exports of one point; none when the plugin does not have it.
    pub(in crate::plugins) fn get<E: Exports>(&self) -> Option<&E> {
        self.0
            .iter()
            .find_map(|(_, exports)| (&**exports as &dyn Any).downcast_ref())
    }

    /// The points, in the order of the registry.
    pub(in crate::plugins) fn points(&self) -> impl Iterator<Item = &'static Point> {
        self.0.iter().map(|(point, _)| *point)
    }

    /// Whether the functions of all points have the types of the contract.
    pub(in crate::plugins) fn check_types(
        &self,
        store: &mut Store<HostState>,
        instance: &Instance,
    ) -> wasmtime::Result<()> {
        self.0
            .iter()
            .try_for_each(|(_, exports)| exports.check_types(store, instance))
    }
}
