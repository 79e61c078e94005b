//! Plugins: discover, check, grant, limit, call. The only place that names wasmtime.

mod ports;

pub use ports::{
    AttemptResult, CallFailure, Decision, FailureKind, HttpGrant, Judgement, KvError, KvSpace, KvStore, Notifiers, NotifyRequest, Pipeline,
    Rejection, RenderFailure, RenderRequest, Subject, Verdict,
};
