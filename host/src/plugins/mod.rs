//! Finds, checks, limits and calls plugins. The only module that names wasmtime.
//!
//! A plugin gets a fresh instance for every call, and nothing of an instance survives the call: no
//! state leaks between sessions, and no broken instance has to be recovered. The operator's grants
//! alone decide what a plugin can reach. The extension points are listed in one place, `points/`.

mod beside;
mod bindings;
mod cache;
mod candidate;
mod check;
mod common;
mod compile_cost;
mod configs;
mod convert;
mod engine;
mod floor;
#[cfg(test)]
mod fuzz;
mod guest;
mod host;
mod host_state;
mod http;
mod inspect;
mod laps;
mod lifecycle;
mod lines;
mod load;
mod log_lines;
mod notifiers;
mod observe;
mod pattern;
mod pipeline;
mod points;
mod ports;
mod quarantine;
mod recorded;
mod refusals;
mod release;
mod reload;
mod replay;
mod replay_kv;
mod report;
mod reported;
mod round;
mod scene;
mod schema;
mod serving;
mod set;
mod slots;
mod sockets;
mod start;
mod stderr;
mod switches;
mod text;
mod trace;
mod traceparent;
mod turns;
mod watch;

pub use crate::egress::HttpGrant;
pub use beside::{CandidateCounts, CandidateStatus};
pub use candidate::{
    Candidates, Difference, DifferenceDetails, DifferenceFacts, DifferenceSide, Words,
};
pub use floor::Floor;
pub use host::PluginHost;
pub use inspect::Inspection;
pub use load::LoadError;
pub use observe::{CallReport, Instruments, LogLine};
pub use pipeline::Pipeline;
pub use points::{
    event_notification::{AttemptResult, Judgement, Notifiers, NotifyRequest},
    message_templating::{RenderFailure, RenderRequest, TemplateDescription, VariableDescription},
    send_validation::Decision,
    verdict::{Rejection, Verdict},
};
pub use ports::{Busy, CallFailure, ConfigStore, FailureKind, KvError, KvSpace, KvStore, Subject};
pub use quarantine::Quarantined;
pub use recorded::{
    Answered, CallFacts, CallRecord, FoundValue, RecordedContext, StorageStep, StorageTrace,
    WriteAnswer,
};
pub use reload::{ReloadError, Reloaded, Version};
pub use replay::{CannotReplay, RecordedCall, ReplayWith, Replayed};
pub use report::{FailedReload, PluginReport, PluginState, PluginStatus};
pub use serving::{Because, Serving};
pub use text::{Code, PluginText, TargetName};
