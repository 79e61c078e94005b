#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod call;
mod content;
mod event;
mod message;
mod notification;
mod plugin;
mod templating;
mod validation;

mod host;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod glue;

pub use call::{CallContext, Error};
pub use content::*;
pub use event::{Account, Ack, AckLevel, Envelope, Event, Failure, OtherEvent, QrCode, Sent, SessionChange, SessionState};
pub use host::{kv, log, secrets};
pub use message::{Address, InboundMessage, MessageId, OutboundMessage, Timestamp, Wid};
pub use notification::{AttemptResult, HttpRequest, HttpResponse, Judgement, Notifier};
pub use plugin::{ConfigIssue, ConfigIssues, Info, NoConfig, Plugin, configure};
pub use templating::{RenderError, RenderRequest, TemplateInfo, Templater, Value, Variable, VariableKind};
pub use validation::{Rejection, Validator, Verdict};

/// What plugins name: all that the three extension points take and give, the host's services, and what reads a configuration
/// and makes a body.
pub mod prelude {
    pub use crate::{
        Account, Ack, AckLevel, Address, AttemptResult, CallContext, ConfigIssue, ConfigIssues, Contact, Content, Envelope, Error, Event, Failure,
        HttpRequest, HttpResponse, InboundMessage, Info, Judgement, Location, MessageId, NoConfig, Notifier, OtherEvent, OutboundMessage, Plugin,
        QrCode, Rejection, RenderError, RenderRequest, Sent, SessionChange, SessionState, TemplateInfo, Templater, Text, Timestamp, Validator, Value,
        Variable, VariableKind, Verdict, kv, log, secrets,
    };
    pub use serde::Deserialize;
    pub use serde_json::json;
}

/// Makes a component of a plugin: `export!(MyPlugin: validator, notifier)`.
///
/// Names after the colon are the extension points the component exports: `validator`
/// ([`Validator`]), `templater` ([`Templater`]), `notifier` ([`Notifier`]); nothing else is exported. Natively it
/// only checks that the traits are implemented, so that `cargo test` needs no wasm.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($point:ident),+ $(,)?) => {
        const _: () = {
            $($crate::__check_point!($plugin, $point);)+
        };
        $crate::__export_component!($plugin: $($point),+);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_point {
    ($plugin:ty, validator) => {
        const fn validator<P: $crate::Validator>() {}
        validator::<$plugin>();
    };
    ($plugin:ty, templater) => {
        const fn templater<P: $crate::Templater>() {}
        templater::<$plugin>();
    };
    ($plugin:ty, notifier) => {
        const fn notifier<P: $crate::Notifier>() {}
        notifier::<$plugin>();
    };
    ($plugin:ty, $other:ident) => {
        compile_error!(concat!("`", stringify!($other), "` is no extension point; there are: validator, templater, notifier"));
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
            $($crate::__export_point!($point);)+
        };
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_point {
    (validator) => {
        $crate::glue::validation::export!(Exported with_types_in $crate::glue::validation);
    };
    (templater) => {
        $crate::glue::templating::export!(Exported with_types_in $crate::glue::templating);
    };
    (notifier) => {
        $crate::glue::notification::export!(Exported with_types_in $crate::glue::notification);
    };
}
