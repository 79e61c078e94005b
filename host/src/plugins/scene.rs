//! What a call depends on: its context and its capabilities.
//!
//! The context is made anew for each call, and given again to one that is repeated. The clock and
//! the random numbers of the instance follow from it.

use std::sync::Arc;

use super::{
    bindings::wharf::plugin::calls::CallContext,
    convert,
    guest::Plugin,
    host_state::{Capabilities, Scene},
    http::HttpAccess,
    ports::{KvSpace, KvStore, Subject},
    trace::{RecordingKv, Trace},
    traceparent::traceparent,
};
use crate::model::{ClientId, Timestamp};

impl Plugin {
    /// A new call about the subject, with the granted capabilities.
    pub(super) fn scene(&self, subject: &Subject) -> Scene {
        let context = self.context(subject);
        let kv = Arc::clone(&self.kv);
        let capabilities = self.capabilities(&subject.session, kv);
        Scene {
            context,
            config: Arc::clone(&self.config),
            capabilities,
        }
    }

    /// As [`Plugin::scene`], and records in `trace` what the call asks for.
    pub(super) fn recorded_scene(&self, subject: &Subject, trace: &Arc<Trace>) -> Scene {
        let context = self.context(subject);
        let kv = RecordingKv {
            inner: Arc::clone(&self.kv),
            trace: Arc::clone(trace),
        };
        let mut capabilities = self.capabilities(&subject.session, Arc::new(kv));
        capabilities.trace = Some(Arc::clone(trace));
        Scene {
            context,
            config: Arc::clone(&self.config),
            capabilities,
        }
    }

    pub(super) fn context(&self, subject: &Subject) -> CallContext {
        // The workbench may set the clock.
        let now = self
            .instruments
            .get()
            .and_then(|instruments| instruments.now());
        let call_id = ulid::Ulid::generate().to_string();
        CallContext {
            session: subject.session.to_string(),
            traceparent: traceparent(&subject.id, &call_id),
            call_id,
            subject_id: subject.id.clone(),
            now: convert::time(now.unwrap_or_else(Timestamp::now)),
            attempt: subject.attempt,
            budget_ms: u32::try_from(self.entry.timeout.0).unwrap_or(u32::MAX),
            extra: vec![],
        }
    }

    /// What the plugin may use in a call of this session: what it was granted, with `kv` as its
    /// storage.
    pub(super) fn capabilities(&self, session: &ClientId, kv: Arc<dyn KvStore>) -> Capabilities {
        let space = self.entry.grants.kv.map(|quota| KvSpace {
            plugin: self.entry.name.clone(),
            session: (!self.entry.grants.kv_shared).then(|| session.clone()),
            quota: quota.0,
        });
        Capabilities {
            kv: space.map(|space| (kv, space)),
            secrets: self.secrets.clone(),
            http: Some(HttpAccess {
                client: Arc::clone(&self.client),
                grant: self.http.clone(),
                requests: self.entry.http_requests,
                memory: self.http_memory.clone(),
            }),
            trace: None,
        }
    }
}
