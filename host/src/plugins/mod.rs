//! Plugins: discover, check, grant, limit, call. The only place that names wasmtime.
//!
//! A plugin gets a fresh instance for every call and nothing else survives it: no state to leak between sessions, no
//! poisoned instance to recover from. What it may reach is decided by the operator's grants alone.

mod bindings;
mod cache;
mod check;
mod convert;
mod engine;
mod guest;
mod host;
mod hostcalls;
mod lines;
mod load;
mod notify;
mod pattern;
mod pipeline;
mod ports;
mod said;
mod schema;
mod stderr;
mod told;

pub use host::{PluginHost, PluginReport, PluginState};
pub use load::LoadError;
pub use ports::{
    AttemptResult, Busy, CallFailure, Decision, FailureKind, HttpGrant, Judgement, KvError, KvSpace, KvStore, Notifiers, NotifyRequest, Pipeline,
    Rejection, RenderFailure, RenderRequest, Subject, Verdict,
};
pub use said::{Code, Said, TargetName};
