//! Finds, checks, limits and calls plugins. The only module that names wasmtime.
//!
//! A plugin gets a fresh instance for every call, and nothing of an instance survives the call: no
//! state leaks between sessions, and no broken instance has to be recovered. The operator's grants
//! alone decide what a plugin can reach. The extension points are listed in one place, `points/`.

mod bindings;
mod cache;
mod check;
mod convert;
mod engine;
mod guest;
mod host;
mod host_state;
mod load;
mod log_lines;
mod pattern;
mod pipeline;
mod points;
mod ports;
mod reported;
mod schema;
mod start;
mod stderr;
mod text;
mod traceparent;

pub use host::{PluginHost, PluginReport, PluginState};
pub use load::LoadError;
pub use pipeline::Pipeline;
pub use points::{
    event_notification::{AttemptResult, Judgement, Notifiers, NotifyRequest},
    message_templating::{RenderFailure, RenderRequest},
    send_validation::{Decision, Rejection, Verdict},
};
pub use ports::{Busy, CallFailure, FailureKind, HttpGrant, KvError, KvSpace, KvStore, Subject};
pub use text::{Code, PluginText, TargetName};
