#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod call;
mod content;
mod event;
mod message;
mod plugin;

mod host;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod glue;

/// The extension points. Each module has the trait of a point, its types and the code that answers
/// the host's calls, and is named as the point is in [`export!`]. A new point is one more line
/// here, and its names below.
#[doc(hidden)]
pub mod points {
    pub mod notifier;
    pub mod templater;
    pub mod validator;
}

pub use call::{CallContext, Error, Extra};
pub use content::*;
pub use event::{
    Account, Ack, AckLevel, BridgeFault, Envelope, Event, Failure, Notices, OtherEvent,
    PairingCode, Passkey, QrCode, Quarantine, Relinked, Restriction, Sent, SessionChange,
    SessionState, UnknownOutcome,
};
pub use host::{http, kv, log, secrets};
pub use message::{Address, InboundMessage, MessageId, OutboundMessage, Timestamp, Wid};
pub use plugin::{ConfigIssue, ConfigIssues, Info, NoConfig, Plugin, configure};
pub use points::notifier::{AttemptResult, HttpRequest, HttpResponse, Judgement, Notifier};
pub use points::templater::{
    RenderError, RenderRequest, TemplateInfo, Templater, Value, Variable, VariableKind,
};
pub use points::validator::{Rejection, Validator, Verdict};

/// Everything that plugins usually need: the types of the extension points, the host's functions,
/// and what is needed to read a configuration and to build a request body.
pub mod prelude {
    pub use crate::content::*;
    pub use crate::{
        Account, Ack, AckLevel, Address, AttemptResult, BridgeFault, CallContext, ConfigIssue,
        ConfigIssues, Envelope, Error, Event, Extra, Failure, HttpRequest, HttpResponse,
        InboundMessage, Info, Judgement, MessageId, NoConfig, Notices, Notifier, OtherEvent,
        OutboundMessage, PairingCode, Passkey, Plugin, QrCode, Quarantine, Rejection, Relinked,
        RenderError, RenderRequest, Restriction, Sent, SessionChange, SessionState, TemplateInfo,
        Templater, Timestamp, UnknownOutcome, Validator, Value, Variable, VariableKind, Verdict,
        http, kv, log, secrets,
    };
    pub use serde::Deserialize;
    pub use serde_json::json;
}

/// Exports a plugin as a component: `export!(MyPlugin: validator, notifier)`.
///
/// The names after the colon are the [extension points](crate#extension-points) that the component
/// exports. Nothing else is exported. Natively it only checks that the traits are implemented, so
/// that `cargo test` needs no WebAssembly.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($point:ident),+ $(,)?) => {
        const _: () = {
            $($crate::points::$point::required::<$plugin>();)+
        };
        $crate::__export_component!($plugin: $($point),+);
    };
}

// Exports exist only in a component: a native linker refuses their names.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($plugin:ty: $($point:ident),+) => {};
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($plugin:ty: $($point:ident),+) => {
        const _: () = {
            type Exported = $crate::glue::Exported<$plugin>;

            impl $crate::glue::Instance for $plugin {
                fn cell() -> &'static ::std::sync::OnceLock<Self> {
                    static CELL: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();
                    &CELL
                }
            }

            $crate::glue::core::export!(Exported with_types_in $crate::glue::core);
            $($crate::points::$point::bindings::export!(Exported with_types_in $crate::points::$point::bindings);)+
        };
    };
}
